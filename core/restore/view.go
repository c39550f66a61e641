package restore

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// View is all that a decision about a run is made from. Advance changes nothing
// of it.
type View struct {
	Run   api.Run    // with what Merge adds
	Nodes []api.Node // the fleet
	// Distributions are those of Run.Distributions that stand, with what the nodes
	// report, by name.
	Distributions map[string]api.Status
	Backups       []api.Backup // of the run's database
	// InUse says whether another run needs a backup; nil is nobody.
	InUse func(backup string) bool
	Now   time.Time
}

// Action is one thing to do in the store. Exactly one field is set. Each may be
// performed again. One that the store refuses for good, as another distribution
// has the path, ends the run: see Fail.
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
// there. A report of a node without a part is left out. Nothing is changed in r.
func Merge(r api.Run, reports []api.PartReport, nodes []api.Node) api.Run {
	r = clone(r)
	for _, p := range r.Parts() {
		i := slices.IndexFunc(reports, func(o api.PartReport) bool { return o.Node == p.Node })
		if i >= 0 {
			p.Report = reports[i]
		}
		p.Unreachable = !alive(nodes, p.Node)
	}
	return r
}

func alive(nodes []api.Node, name string) bool {
	i := slices.IndexFunc(nodes, func(n api.Node) bool { return n.Name == name })
	return i >= 0 && nodes[i].Alive
}

// Fail has a run end for err, which is nobody's part: what was not switched stays
// as it is, what is being switched goes back. The first error is kept.
func Fail(r api.Run, err *api.Error) api.Run {
	if r.Error == nil && !r.Phase.Finished() {
		r.Error = err
	}
	return r
}

// clone copies what Advance and Merge change.
func clone(r api.Run) api.Run {
	if r.Source != nil {
		source := *r.Source
		r.Source = &source
	}
	if r.Backup != nil {
		backup := *r.Backup
		r.Backup = &backup
	}
	r.Members = slices.Clone(r.Members)
	r.Distributions = slices.Clone(r.Distributions)
	return r
}
