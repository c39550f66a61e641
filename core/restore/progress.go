package restore

import (
	"cmp"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// StageCopy is the stage of a member's progress while it fetches the content.
const StageCopy = "copy"

// Fetching returns the run with how far its nodes have fetched the content:
// members in the progress of their reports, those that shall keep the backup in
// Copying. Only RunCopying has such. statuses are what nodes report of the run's
// distributions, by name. Nothing is changed in r.
func Fetching(r api.Run, statuses map[string][]api.NodeStatus, nodes []api.Node) api.Run {
	if r.Phase != api.RunCopying || r.Backup == nil {
		return r
	}
	r = clone(r)
	for i := range r.Members {
		m := &r.Members[i]
		name := stagingName(r.ID, *m)
		if open(*m) && m.Goal == api.GoalProbe && name != "" && slices.Contains(r.Distributions, name) {
			m.Report = fetching(m.Report, statusOf(statuses[name], m.Node, *r.Backup))
		}
	}
	r.Copying = nil
	if slices.Contains(r.Distributions, r.Backup.Distribution) {
		for _, node := range r.Backup.Copies {
			st := statusOf(statuses[r.Backup.Distribution], node, *r.Backup)
			st.Unreachable = !alive(nodes, node)
			if i := slices.IndexFunc(nodes, func(n api.Node) bool { return n.Name == node }); i >= 0 {
				st.Location = nodes[i].Location
			}
			r.Copying = append(r.Copying, st)
		}
	}
	return r
}

// statusOf is what a node reports. One that has said nothing yet waits.
func statusOf(all []api.NodeStatus, node string, b api.Backup) api.NodeStatus {
	st := api.NodeStatus{Node: node, Phase: api.PhasePending}
	if i := slices.IndexFunc(all, func(n api.NodeStatus) bool { return n.Node == node }); i >= 0 {
		st = all[i]
	}
	st.BytesTotal = cmp.Or(st.BytesTotal, b.SizeBytes)
	return st
}

// fetching adds to a member's report what it reports of its copy.
func fetching(r api.PartReport, st api.NodeStatus) api.PartReport {
	r.Progress = &api.Progress{Stage: StageCopy, Done: st.BytesDone, Total: st.BytesTotal, Rate: st.Rate}
	switch {
	case st.Installed != "" && st.Phase == api.PhaseInstalled:
		r.Doing, r.Progress.Done = "copied, waiting for the other nodes", st.BytesTotal
	case st.Waiting != "":
		r.Doing = "copying, waiting: " + st.Waiting
	default:
		r.Doing = "copying"
	}
	if r.Error == nil && st.Error != nil {
		r.Error = at(st.Error, r.Node)
	}
	return r
}
