package store

import (
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/overlay"
)

// Event is what a Watcher tells: one of the types below.
type Event interface{ isEvent() }

// DistributionsChanged says that the set of distributions is another now.
type DistributionsChanged struct{}

// ControlsChanged says that holds or limits are others now.
type ControlsChanged struct{}

// LinksChanged says that operators say something else of links now.
type LinksChanged struct{}

// Demand says that an artifact began, or ceased, to be needed by anybody, or by
// more than one node: read Pending. A node more or less among several is not
// told; who waits for a particular one reads Pending now and then.
type Demand struct{ Digest artifact.Digest }

// GroupChanged is the newest snapshot of a group that was added to the Watcher.
// The slices belong to the store: read only.
type GroupChanged struct {
	Digest artifact.Digest
	Group  overlay.Group
}

// RunMoved says that a run was created, changed or deleted: read it. Reports are
// told by ReportsMoved.
type RunMoved struct{ Run string }

// ReportsMoved says that parts of a run that was added to the Watcher report
// something else than before: read the run. It is told once, too, when the server
// begins to tell of them.
type ReportsMoved struct{ Run string }

// Down says that the connection to the store is lost, or was never made; Err is
// an *api.Error. What was told before may be out of date (requirement 30).
type Down struct{ Err error }

// Up says that the connection stands, for the first time or again. Changes may
// have been missed: everything must be read again. Groups follow by themselves.
type Up struct{}

func (DistributionsChanged) isEvent() {}
func (ControlsChanged) isEvent()      {}
func (LinksChanged) isEvent()         {}
func (Demand) isEvent()               {}
func (GroupChanged) isEvent()         {}
func (RunMoved) isEvent()             {}
func (ReportsMoved) isEvent()         {}
func (Down) isEvent()                 {}
func (Up) isEvent()                   {}
