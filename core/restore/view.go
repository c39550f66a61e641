package restore

import (
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// View is all that a decision about a run is made from. Advance changes nothing
// of it.
type View struct {
	Run   api.Run    // with what Merge adds
	Nodes []api.Node // the fleet
	// Distributions are those of Run.Distributions, and the one of Run.Backup, that
	// stand, with what the nodes report, by name.
	Distributions map[string]api.Status
	Backups       []api.Backup // of the run's database
	// InUse says whether another run needs a backup; nil is nobody.
	InUse func(backup string) bool
	Now   time.Time
}

// Action is one thing to do in the store. Exactly one field is set. Each may be
// performed again.
type Action struct {
	PutDistribution *api.Distribution // created if there is none of that name
	// DeleteDistribution forgets a distribution; the nodes keep the content.
	DeleteDistribution string
	// RemoveDistribution has the nodes remove the content, then forgets it.
	RemoveDistribution string
	PutBackup          *api.Backup
	DeleteBackup       string // its copies, its artifact, its record
}

// Merge returns the run with what its nodes told last and whether they are
// there. Reports of nodes without a part are left out.
func Merge(r api.Run, reports []api.PartReport, nodes []api.Node) api.Run {
	return r
}
