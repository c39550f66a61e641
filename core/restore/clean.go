package restore

import (
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// clean removes what only the run needed, waits a while for the nodes to do so,
// and ends the run.
func (s *stepper) clean() {
	waiting := s.endParts()
	waiting = s.endDistributions() || waiting
	if waiting && !s.due(s.run.PhaseSince, cleanLimit) {
		return
	}
	s.retain()
	s.run.Phase, s.run.FinishedAt = s.outcome(), s.v.Now
	s.run.PhaseSince = s.v.Now
	if s.run.Error == nil {
		s.run.Error = s.leftBehind()
	}
}

// endParts gives every part its last goal. A member that is to remove its old data
// does that first, whenever its node is back.
func (s *stepper) endParts() (waiting bool) {
	for _, p := range s.run.Parts() {
		if p.Goal != api.GoalCommit || p.Report.State.Final() {
			s.setGoal(p, api.GoalEnd)
		}
		if !p.Report.Done && !(p.Error != nil && p.Unreachable) && !s.leaves(p) {
			waiting = true
		}
	}
	return waiting
}

// leaves reports whether a member could not remove, in time, what it left on a
// primary. That one may be gone, and be the reason for the restore or of the
// failure; the member goes on trying after the run.
func (s *stepper) leaves(p *api.RunPart) bool {
	switch p.Report.State {
	case api.PartCommitted:
		return p.Report.Error != nil && s.due(s.run.PhaseSince, formerLimit)
	case api.PartFailed, api.PartRolledBack: // the error is that of the failure
		return s.isMember(p) && s.due(s.run.PhaseSince, failedLimit)
	}
	return false
}

func (s *stepper) isMember(p *api.RunPart) bool {
	return slices.ContainsFunc(s.run.Members, func(m api.RunPart) bool { return m.Node == p.Node })
}

// endDistributions removes those that stand. A backup that was not kept whole is
// none, even if its record was written in the last moment.
func (s *stepper) endDistributions() (waiting bool) {
	if b := s.run.Backup; b != nil && b.ID != "" && slices.Contains(s.run.Distributions, b.Distribution) && s.recorded() {
		s.actions = append(s.actions, Action{DeleteBackup: b.ID})
		waiting = true
	}
	for _, name := range slices.Clone(s.run.Distributions) {
		if _, stands := s.v.Distributions[name]; stands {
			s.actions = append(s.actions, Action{RemoveDistribution: name})
			waiting = true
		} else {
			s.forget(name)
		}
	}
	return waiting
}

// recorded reports whether the backup that this run took has a record.
func (s *stepper) recorded() bool {
	return s.run.Backup != nil && slices.ContainsFunc(s.v.Backups, func(b api.Backup) bool {
		return b.ID == s.run.Backup.ID && b.Run == s.run.ID
	})
}

// retain deletes the backups that are too old, once there is a newer one.
func (s *stepper) retain() {
	c := s.run.Request.Copies
	if c == nil || s.run.Aborting || !s.recorded() {
		return
	}
	now := s.v.Now
	if taken := s.run.Backup.TakenAt; taken.Before(now) {
		now = taken // one clock that is wrong, the runner's or the source's, makes no backup old
	}
	used := func(id string) bool { return id == s.run.Backup.ID || s.v.InUse != nil && s.v.InUse(id) }
	for _, b := range Expired(s.v.Backups, c.KeepOnly, used, now) {
		s.actions = append(s.actions, Action{DeleteBackup: b.ID})
	}
}

func (s *stepper) outcome() api.RunPhase {
	switch {
	case s.run.Error == nil:
		return api.RunComplete
	case s.run.Aborting && s.run.Error.Code == api.CodeAborted:
		return api.RunAborted
	case slices.ContainsFunc(s.run.Members, switched):
		return api.RunPartial
	}
	return api.RunFailed
}

// leftBehind says what a run that is complete could not remove, and what to do
// about it; nil for nothing. Of members that are committed it is only what they
// had on the primary that they followed before.
func (s *stepper) leftBehind() *api.Error {
	var nodes []string
	former := true
	for _, p := range s.run.Parts() {
		if !p.Report.Done {
			nodes = append(nodes, p.Node)
			former = former && p.Report.State == api.PartCommitted
		}
	}
	if len(nodes) == 0 {
		return nil
	}
	left := &api.Error{Code: api.CodeNodeLost, Subject: list(nodes), Message: "what only the run needed is not yet removed there, such as the hold on the log",
		Fix: fmt.Sprintf("nothing needs doing now: the agents go on trying as long as the record of run %s stands", s.run.ID)}
	if former {
		left.Message = "the slot by which it followed before is not yet dropped on that primary"
		left.Fix = fmt.Sprintf("nothing needs doing: a primary that is gone for good took the slot with it; if it comes back, the agents drop the slot, as long as the record of run %s stands", s.run.ID)
	}
	return left
}
