// Package system is what the lab compares: programs that distribute content among
// the hosts of a network, each behind the same interface.
package system

import (
	"context"
	"errors"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// DataPort is the port of every system for the content itself, which the network's
// counters watch.
const DataPort = 7420

// System is one program, or set of programs, on the hosts of one network. Its
// methods are called from one goroutine, except State and Processes, which may be
// called from another meanwhile.
type System interface {
	// Start brings up what runs on the hosts before the word is given: nothing of
	// the content moves yet. Receivers that join later need not be up.
	Start(ctx context.Context) error
	// Distribute gives the word and returns when it was accepted, which is the
	// zero of all times in the report. Those receivers take part at once whose
	// time of joining is zero.
	Distribute(ctx context.Context) error
	// Join has a receiver take part that joins later.
	Join(ctx context.Context, node unit.NodeID) error
	// Fault does what is not the network's: Kill, Start, KillStore, StartStore,
	// Corrupt, and the host's part of a Move, whose cable was moved before. A
	// system that has no such thing answers ErrNotApplicable.
	Fault(ctx context.Context, f scenario.Fault) error
	// State is how far a host is by now.
	State(node unit.NodeID) State
	// Processes are those that run on a host by now, for their CPU time and memory.
	Processes(node unit.NodeID) []*child.Process
	// Path is where a receiver has the content when it is complete: a file or a
	// directory with the tree.
	Path(node unit.NodeID) string
	// Finish is called when the run is over, before Close, with everything still
	// up: it adds what the system itself knows to the report.
	Finish(ctx context.Context, o *scenario.Observed) error
	// Close ends every process and removes what was made. It may be called at any
	// time after New.
	Close() error
}

// State is how far a host is. Amounts that the system does not tell are 0, and
// Counted is false.
type State struct {
	Complete   bool
	CompleteAt time.Time
	Counted    bool
	Received   unit.Bytes // block payload, duplicates included
	Duplicate  unit.Bytes
	Sent       unit.Bytes
	// Failed says why the host will not go on, nil if it may.
	Failed error
}

// ErrNotApplicable says that a system has nothing that a fault could strike.
var ErrNotApplicable = errors.New("the system has no such thing")

// ErrMissing is wrapped by New of a system whose programs are not on this machine.
var ErrMissing = errors.New("is not installed")
