package reconcile

import (
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// Task is what has to be done about one distribution on this node: one of the
// types below. Tasks are comparable values; equal tasks are the same work.
type Task interface{ task() }

type (
	// Place makes the artifact stand at a path where nothing of ours stands.
	Place struct {
		Digest     artifact.Digest
		Generation int64
	}
	// Replace makes the artifact stand in place of what this distribution put
	// there, or somewhere else: another digest, path, owner or mode.
	Replace struct {
		Digest     artifact.Digest
		Generation int64
	}
	// Stage brings the artifact to lie beside its destination and goes no further:
	// the nodes switch together, and may not yet.
	Stage struct {
		Digest     artifact.Digest
		Generation int64
	}
	// Wait has staged what is wanted, and waits until the nodes may switch.
	Wait struct{ Generation int64 }
	// Repair fetches again what a check found missing or changed.
	Repair struct {
		Digest     artifact.Digest
		Generation int64
	}
	// Adopt takes note of a generation that changes nothing on this node's disk,
	// such as one that only widens the selector.
	Adopt struct{ Generation, Verified int64 }
	// Verify hashes everything that stands.
	Verify struct{ Generation int64 } // the VerifyGeneration
	// Check looks now and then for drift; nothing else is to be done.
	Check struct{}
	// Remove takes the content away.
	Remove struct{ Generation int64 }
	// Removed says that the content is away; only the report is kept up.
	Removed struct{}
	// Keep goes on with what stands: nothing says any more that it is wanted, but
	// only since the store lost its records, or is another one.
	Keep struct{}
	// Forget drops what is recorded and leaves the content.
	Forget struct{}
	// Stopped leaves all as it is: an operator has stopped the transfer. What is
	// staged stays on the disk.
	Stopped struct{ Generation int64 }
	// Refuse reports why nothing can be done.
	Refuse struct {
		Generation int64
		Error      api.Error
	}
)

func (Place) task()   {}
func (Replace) task() {}
func (Stage) task()   {}
func (Wait) task()    {}
func (Repair) task()  {}
func (Adopt) task()   {}
func (Verify) task()  {}
func (Check) task()   {}
func (Remove) task()  {}
func (Removed) task() {}
func (Keep) task()    {}
func (Forget) task()  {}
func (Stopped) task() {}
func (Refuse) task()  {}

// needs returns the artifact that the task may have to fetch.
func needs(t Task) (artifact.Digest, bool) {
	switch t := t.(type) {
	case Place:
		return t.Digest, true
	case Replace:
		return t.Digest, true
	case Stage:
		return t.Digest, true
	case Repair:
		return t.Digest, true
	}
	return artifact.Digest{}, false
}
