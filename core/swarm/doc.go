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
// over the uplink again unless that START has gone stale, or the location is
// short of what its members can send (supply.go).
//
// # Order
//
// For a peer the next block comes from (requirement 17) a span in transfer from
// this peer; an own-share span in transfer; a new own-share span; another span
// in transfer; another new span, those that nobody STARTed first.
//
// # Serving
//
// An initial seeder gives each span to one peer and lets that copy spread
// (serve.go), more to peers that pass on more (relay.go). A location as a whole
// does likewise: while others outside can spread a span, it leaves the location
// once (outward.go).
//
// # Strategies
//
// The picker chooses new spans, the choker whom to serve (policy.go). All of the
// above is ours; those of reference.go and choke.go are there to be compared with.
package swarm
