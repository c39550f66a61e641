// Package restore does this node's parts in runs: as a source it captures a
// database and publishes it, as a member it replaces a database by what was
// copied beside it.
//
// What comes next is core/restore's to decide; here is what it takes to do it.
// Worker.Run owns the parts, one goroutine each (part.go), which asks for an
// operation, notes in the journal what a crash must not forget, performs it
// (source.go, member.go, swap.go) and takes its result in. The store is read and
// written beside that (runs.go, report.go), so that a part that has begun to
// switch goes on without it.
//
// A node that cannot do its parts refuses them (refuser.go). What parts hold counts
// in the node's budget, and captures that nothing needs are collected (collect.go).
//
// The databases themselves are known to drivers alone. Space, ownership,
// durability, the exchange of the directories and the removal of the old data are
// done here, below the directory that holds the data directory.
package restore
