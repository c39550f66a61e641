// Package hostload looks at this host once a second and says what the agent may move
// over the host's own link: what others and the reserve leave of it (requirement 39),
// and less while CPU, disk or memory are short (requirement 40).
//
// What others use is what the interface has moved less what the agent has. Both are
// counted by the kernel and at sockets, at nearly the same time, so that little of the
// agent's own is taken for theirs.
//
// CPU that the agent uses itself counts as busy, like that of anybody: what is to stay
// free is a part of the CPU, whoever uses the rest. A limit that the agent's own use
// brought about is not given back at once, so that it does not swing.
//
// An agent whose control group has a CPU quota, as in a container, shares that with
// others of the group. The time in which a group that it is in was held back counts as
// busy, too, and the least idle of the host and of these groups is what counts. A set
// of CPUs that the agent is bound to is not looked at: the host's CPUs count together.
package hostload
