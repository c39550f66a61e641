// Package topo holds the network as rackswarm sees it: a tree of locations,
// each with an uplink to its parent, and hosts as its leaves; the distance
// between places; and the lower bounds that no distribution over such a network
// can beat. It is pure.
//
// # Why the bound holds
//
// Let F be the size of the artifact, S(v) the hosts below a vertex v (a location
// or a host), and D(v), U(v) the downward and upward capacity of its uplink.
// Only hosts that take part, as initial seeder or receiver, can send. What they
// can send out of v together is
//
//	Û(v) = U(v)                          for a host that takes part, 0 for another
//	Û(v) = min(U(v), Σ Û(children of v))  for a location
//
// Three kinds of cut through the tree must each let enough bytes pass:
//
//   - Into: a receiver in S(v) and no initial seeder there: every byte of the
//     artifact enters v at least once, F/D(v).
//   - OutOf: all initial seeders in S(v) and a receiver outside: every byte
//     leaves v at least once, F/Û(v). The seeder's own host is one such v.
//   - Within: inside a location v, each of the n(v) children with receivers and
//     no initial seeder needs a copy, and so does the outside if all initial
//     seeders are in S(v) and receivers are not, o(v) = 1. Those bytes come up
//     from children, or down from above v: (n(v)+o(v))·F / (Σ Û(children) + D(v)),
//     without D(v) at the root.
//
// The largest of these times is the bound. Without locations it is the bound of
// peer-to-peer distribution of requirement 53, which a schedule of arbitrarily
// small pieces attains; with them no schedule beats it, and some networks cannot
// attain it, as D(v) may be more than the outside has to send. The tests compare
// it with a linear program. Payload is at most 1448 of every 1514 bytes of a full
// Ethernet frame that carries TCP with timestamps, so capacities count times
// Goodput.
//
// # When not all is there from the start
//
// BoundUnder replaces rates by courses, capacities as functions of time that are
// constant between steps: sums and minima of courses are taken at each time. A
// term of b bytes over capacity c(t) is then the least T with ∫ c(t) dt ≥ b/Goodput,
// where the integral begins when the first of those joins for whom the bytes are:
// before that nobody is there to take them. For a host's own link this is its own
// time of joining, so that the bound is at least every receiver's time of joining
// plus F/D of its link. Of a location with receivers that join one after the
// other, the first one brings the copy in, and the others may find it there.
// Helpers count as sending, and as there to take bytes, but need no copy.
package topo
