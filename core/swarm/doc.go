// Package swarm decides, for one artifact on one node, what is requested from
// whom and what is served (thesis 3.7, requirements 15–18). It is pure: peers,
// messages, blocks and the time come in, actions go out.
//
// # Division and stealing
//
// The unit is the span. Among the members of the node's highest group every run
// of spans has an owner by rendezvous hashing, so that a member that joins or
// leaves moves few of them; the members of one location divide once more what
// enters that location. Ownership is soft: a node prefers its own share, then
// what nobody has STARTed, then, where that crosses no shared link, anything at
// all. What somebody inside the location has STARTed or holds is not fetched
// over the uplink again unless that START has gone stale.
//
// # Order
//
// For a peer the next block comes from (requirement 17) a span in transfer from
// this peer; an own-share span in transfer; a new own-share span; another span
// in transfer; another new span, those that nobody STARTed first.
package swarm
