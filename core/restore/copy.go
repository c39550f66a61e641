package restore

import (
	"path"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// copy has the content brought to those who keep it and to the members. It ends
// when the backup is recorded, and no distribution claims what the members got.
func (s *stepper) copy() {
	if s.due(s.run.PhaseSince, workLimit) {
		s.stop(tooLong(s.run.ID, "copying", workLimit))
		return
	}
	kept, err := s.keep()
	if err != nil {
		s.stop(err)
		return
	}
	staged := s.stage()
	switch {
	case !kept || !staged:
	case s.anyOpen():
		s.enter(api.RunRolling)
	default:
		s.enter(api.RunCleaning)
	}
}

// keep makes the copies of the backup, and records it when all of them stand. As
// long as it is not recorded, its distribution is one of the run's.
func (s *stepper) keep() (done bool, _ *api.Error) {
	b := s.run.Backup
	if b.Distribution == "" || !slices.Contains(s.run.Distributions, b.Distribution) {
		return true, nil
	}
	d, stands := s.v.Distributions[b.Distribution]
	if !stands {
		s.put(api.Distribution{Name: b.Distribution, Path: b.Path, Selector: api.Selector{NodeNames: b.Copies}})
		return false, nil
	}
	if err := s.copyTroubles(d); err != nil {
		return false, err
	}
	for _, node := range b.Copies {
		if !converged(d, node) {
			return false, nil
		}
	}
	recorded := *b
	s.actions = append(s.actions, Action{PutBackup: &recorded})
	s.forget(b.Distribution)
	return true, nil
}

// copyTroubles says which node will not keep a copy.
func (s *stepper) copyTroubles(d api.Status) *api.Error {
	for _, node := range s.run.Backup.Copies {
		err, patience := copyTrouble(d, node)
		if !alive(s.v.Nodes, node) {
			err, patience = nodeLost(node), LostAfter
			err.Fix = "start it, or choose other nodes for the copies, and take the backup again"
		}
		if err == nil {
			continue
		}
		if s.run.TroubleSince.IsZero() {
			s.run.TroubleSince = s.v.Now
		}
		if s.due(s.run.TroubleSince, patience) {
			return err
		}
		return nil
	}
	s.run.TroubleSince = time.Time{}
	return nil
}

func converged(d api.Status, node string) bool {
	return slices.ContainsFunc(d.Nodes, func(n api.NodeStatus) bool { return n.Node == node && d.Distribution.Converged(n) })
}

// put makes a distribution of the run's content. Its name is in the record by
// then, so that it is removed whatever happens.
func (s *stepper) put(d api.Distribution) {
	d.Digest, d.AllowEmpty = s.run.Backup.Digest, true
	s.actions = append(s.actions, Action{PutDistribution: &d})
}

func (s *stepper) forget(name string) {
	s.run.Distributions = slices.DeleteFunc(s.run.Distributions, func(d string) bool { return d == name })
}

// batch is the members that one distribution serves: those whose directories and
// owners are alike.
type batch struct {
	name    string
	like    api.DatabaseState // the first one's
	members []*api.RunPart
}

// stagingName is the distribution that brings the content to a member; "" if it
// did not say where to.
func stagingName(run string, p api.RunPart) string {
	d := p.Report.Probe
	if d == nil {
		return ""
	}
	return "restore-" + run + "-" + shortHash(path.Clean(d.DataDir)+"\x00"+d.Owner+"\x00"+d.Group)
}

func (s *stepper) batches() []batch {
	var all []batch
	for i := range s.run.Members {
		m := &s.run.Members[i]
		name := stagingName(s.run.ID, *m)
		if name == "" || m.Report.State == api.PartSkipped {
			continue
		}
		b := slices.IndexFunc(all, func(b batch) bool { return b.name == name })
		if b < 0 {
			all, b = append(all, batch{name: name, like: *m.Report.Probe}), len(all)
		}
		all[b].members = append(all[b].members, m)
	}
	return all
}

// stage brings the content beside the members' data, and lets go of it there.
func (s *stepper) stage() (done bool) {
	done = true
	for _, m := range s.run.Members {
		if open(m) && m.Report.Probe == nil {
			done = false // its agent began anew
		}
	}
	for _, b := range s.batches() {
		if !s.stageBatch(b) {
			done = false
		}
	}
	return done
}

func (s *stepper) stageBatch(b batch) (done bool) {
	d, stands := s.v.Distributions[b.name]
	listed := slices.Contains(s.run.Distributions, b.name)
	var waiting []*api.RunPart
	for _, m := range b.members {
		if open(*m) && m.Goal == api.GoalProbe {
			waiting = append(waiting, m)
		}
	}
	switch {
	case len(waiting) == 0 && stands:
		s.actions = append(s.actions, Action{DeleteDistribution: b.name})
	case len(waiting) == 0:
		s.forget(b.name)
		return true
	case !listed:
		s.run.Distributions = append(s.run.Distributions, b.name)
	case !stands:
		s.put(s.staging(b, waiting))
	default:
		s.release(d, waiting)
	}
	return false
}

func (s *stepper) staging(b batch, targets []*api.RunPart) api.Distribution {
	var names []string
	for _, m := range targets {
		names = append(names, m.Node)
	}
	slices.Sort(names)
	// Only the database's user looks into it. What is inside keeps the modes of the
	// capture.
	return api.Distribution{Name: b.name, Path: StagingPath(b.like.DataDir, s.run.ID), Mode: "0700",
		Owner: b.like.Owner, Group: b.like.Group, Selector: api.Selector{NodeNames: names}}
}

// release has the members go on when all of them have the content.
func (s *stepper) release(d api.Status, waiting []*api.RunPart) {
	for _, m := range waiting {
		if !converged(d, m.Node) {
			return
		}
	}
	for _, m := range waiting {
		s.setGoal(m, api.GoalReady)
	}
}
