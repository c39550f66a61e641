// Package sim runs a scenario in virtual time: the decisions are those of
// node.Machine, the very same as in the agent; links, TCP, the coordination store
// and disks are models. It is pure: a scenario and a seed determine the report.
//
// # The network
//
// A connection is two streams. A stream that has something to send gets its
// max-min fair share of the links on its path: the sender's, the uplinks up, the
// uplinks down, the receiver's. Shares are computed anew at most once a step, if
// streams began or ended, their windows opened, or small messages became much more or
// fewer; a stream that begins within a step gets what is free until then. Capacities are payload (topo.Goodput), less
// the acknowledgements of what flows the other way, small messages, and traffic
// that does not yield.
//
// A link that is full has a queue, as TCP's cubic fills every queue that it
// finds. What crosses the link arrives later by it, control messages, too. A stream
// hands frames to its kernel while that holds less unsent than it sends in 20 ms, at
// most 128 KiB, control before blocks; what is in the kernel is sent in order.
//
// # Room for others
//
// Where a scenario says so agents know what links have spare: a sensor tells it at
// its interval, without any error, and agents share it by claims in the store, as the
// real ones do (bandwidth.User). No guard of the delay paces connections, so that
// blocks go at the rate of the links and queues are longer than they need be.
package sim
