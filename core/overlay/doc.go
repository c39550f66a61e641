// Package overlay decides, for one transfer on one node, which groups the node
// is a member of and which peers it connects to (thesis 4.2 and 4.4,
// requirements 19–32). It is pure: it is told the time and what the
// coordination store reports, and answers with actions for its caller.
//
// # Groups
//
// Every location on the way from the node's own up to the root has a group.
// All members of a group connect to each other. A node enters the group of its
// own location, waits a short random time, and when the location has too few
// representatives takes a leased slot and enters the group one level up, and so
// on. So a location is seen from outside only through its representatives, and
// the overlay has the shape of the real network. Initial seeders enter every
// group up to the root (requirement 25).
//
// A location whose members cannot give each other soon what they have is short:
// those who starve take further slots, so that more comes in (requirement 23).
//
// # Failure
//
// Membership and slots are leases that the node refreshes; a dead
// representative's slot frees itself and another member takes it. One that is
// paused alone leaves its slot to a member that goes on. While the
// store is down the overlay is frozen: nobody joins, leaves or is
// disconnected, and when it is back everything is joined again (requirement
// 30).
package overlay
