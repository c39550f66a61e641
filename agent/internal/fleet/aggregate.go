package fleet

import (
	"cmp"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// Aggregate is what the nodes' reports on a distribution amount to. a is the
// wanted artifact, nil if it is not known; nodes are the known ones, reports any
// that the store has. It depends on nothing else, not on any order.
func Aggregate(d api.Distribution, a *api.Artifact, nodes []api.Node, reports []api.NodeStatus) api.Status {
	byNode := make(map[string]api.NodeStatus, len(reports))
	for _, r := range reports {
		byNode[r.Node] = r
	}
	st := api.Status{Distribution: d, Artifact: a, Nodes: []api.NodeStatus{}}
	for _, n := range targets(d.Selector, nodes) {
		r, ok := byNode[n.Name]
		if !ok || !d.Current(r) {
			r = pending(d, a, r)
		}
		r.Node, r.Location, r.Unreachable = n.Name, n.Location, !n.Alive
		st.Nodes = append(st.Nodes, r)
	}
	slices.SortFunc(st.Nodes, func(x, y api.NodeStatus) int {
		return cmp.Or(cmp.Compare(x.Location, y.Location), cmp.Compare(x.Node, y.Node))
	})
	st.Summary = summarize(d, a, st.Nodes)
	return st
}

// pending stands for the report that a node has not sent yet. Of an older one
// it keeps what stands on the disk.
func pending(d api.Distribution, a *api.Artifact, old api.NodeStatus) api.NodeStatus {
	p := api.NodeStatus{Phase: api.PhasePending, Digest: d.Digest, Generation: old.Generation, Installed: old.Installed,
		Verified: old.Verified, Repaired: old.Repaired, Kept: old.Kept, KeptBytes: old.KeptBytes, UpdatedAt: old.UpdatedAt, Received: api.Received{ByLevel: []int64{}}}
	if a != nil && d.State != api.StateAbsent {
		p.BytesTotal = a.SizeBytes
	}
	return p
}

// summarize counts over the targets' reports. The last report of a node that is
// not reachable counts like any other.
func summarize(d api.Distribution, a *api.Artifact, nodes []api.NodeStatus) api.Summary {
	s := api.Summary{Targets: len(nodes)}
	for _, r := range nodes {
		s.Converged += one(d.Converged(r))
		s.Failed += one(r.Phase == api.PhaseFailed)
		s.Drifted += one(r.Drifted)
		s.Offline += one(r.Unreachable)
		s.Staged += one(d.Current(r) && r.Phase == api.PhaseStaged)
		if d.State == api.StatePresent && !d.MaySwitch() && !d.Ready(r) {
			s.Blockers = append(s.Blockers, r.Node)
		}
	}
	s.Done = s.Converged == s.Targets
	s.Seconds = seconds(nodes)
	var size int64
	if a != nil {
		size = a.SizeBytes
	}
	measure(&s, size, nodes)
	return s
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}
