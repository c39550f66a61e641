// Package reconcile makes the desired state true on this node and keeps it
// true.
//
// plan.go decides, without any I/O, what to do about each distribution from what
// is desired and what is recorded. Reconciler.Run owns everything that changes;
// one worker goroutine per distribution carries a task out (place.go, steady.go,
// removal.go) and reports once. Around it stand goroutines with one job each:
// desired.go reads the store, report.go writes statuses, pending.go says what
// this node still needs, demand.go asks what others need, register.go keeps the
// node's own record alive. None of them stops local work when the store is gone:
// what was read last is kept on disk (state.go) and goes on.
//
// A node that no longer matches a distribution's selector keeps the content and
// forgets the placement, as when a distribution is deleted with its content
// retained; so does a node that was down while a distribution was deleted. Only
// a distribution in state "absent" removes content. A distribution that is
// missing in a store with another identity than the one that held it was not
// deleted: its placement is kept, and its content goes on being repaired and
// seeded, until it is wanted again or another distribution takes its path.
package reconcile
