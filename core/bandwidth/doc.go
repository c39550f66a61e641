// Package bandwidth says how much may be moved when. It is pure: a caller asks
// for the budget at a time and waits itself (style of a pacer whose timer is a
// return value), so that nothing sleeps inside a loop and control messages
// never queue behind throttled data (requirement 18).
//
// # Measuring
//
// A [Meter] makes the use of a link of readings of an interface's counters, or takes
// what a sensor measured, and says what is wrong with them. A [HostMeter] does so for
// the host's CPU, disk and network.
//
// # Budgets
//
// A [Budget] is a rate together with the [Binding] that sets it. [Policy.Budget]
// leaves of a link what others and the reserve leave; [HostLoad.Limit] lowers the
// budget of a host that is busy; [Windows.At] is what the time of the day allows.
//
// # Sharing
//
// [Divide] shares a link's budget among the claims of many nodes. As each of them
// computes that for itself, a [Sharer] keeps the sum within the budget while claims
// change; an [Appetite] says what to claim. A [User] does so for a node and one
// direction of an uplink. Inside a node [Nested] holds a [Bucket] for each hop on the
// way to the root, and a [Lane] is one transfer's way through them. A [Guard] lowers
// the rate of a connection when its data wait in a queue, a [Yield] those of the
// connections that stay inside a location when the host's own link is full.
package bandwidth
