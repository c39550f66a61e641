// Package node composes a node's decisions: the overlay (whom to know), the
// bandwidth budget (how much) and the swarm (what from whom) of every transfer
// that the node takes part in. Machine is pure: Step takes an event and the
// time and appends actions; NextDeadline says when to call Step with Wake; the
// agent's loop and the simulator perform the actions (style of a pure state
// machine with a thin loop around it).
//
// One turn of a loop is: Step for every event at hand, then Flush once, then
// perform the actions. Announcements wait for the Flush, so that many small
// spans share one message.
package node
