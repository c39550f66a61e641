package restore

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// roll switches the members: one first, then MaxUnavailable at a time, one
// location after the other. The first one that fails ends it; those that are being
// switched then come to their own end.
func (s *stepper) roll() {
	s.judge()
	stopping := s.run.Error != nil || slices.ContainsFunc(s.run.Members, halts)
	busy := s.anyBusy()
	switch {
	case stopping && busy:
	case stopping:
		s.enter(api.RunCleaning)
	case !s.allReady():
	case !s.switchNext() && !busy:
		s.enter(api.RunCleaning)
	}
}

// halts reports whether a member failed while members switch.
func halts(m api.RunPart) bool { return failed(m) && m.Goal != api.GoalEnd }

// judge commits members that are healthy, and gives up those that take too long.
func (s *stepper) judge() {
	limit := healthTimeout(s.restore()) + switchLimit
	for i := range s.run.Members {
		m := &s.run.Members[i]
		switch {
		case !open(*m) || m.Goal != api.GoalSwitch:
		case m.Report.State == api.PartHealthy:
			s.setGoal(m, api.GoalCommit)
		case s.due(m.GoalSince, limit):
			s.giveUp(m, tooLong(m.Node, "switching", limit))
		}
	}
}

func (s *stepper) restore() api.Restore {
	if s.run.Request.Restore == nil {
		return api.Restore{}
	}
	return *s.run.Request.Restore
}

// anyBusy reports whether a member is on its way, forward or back, and is still
// waited for.
func (s *stepper) anyBusy() bool {
	busy := false
	for _, m := range s.run.Members {
		switch {
		case m.Report.State.Final() || m.Error != nil && m.Unreachable:
		case m.Goal == api.GoalSwitch:
			busy = true
		case m.Goal == api.GoalCommit || m.Goal == api.GoalRevert:
			busy = !s.due(m.GoalSince, backLimit) || busy
		}
	}
	return busy
}

// allReady reports whether nobody has yet to verify or configure: what is wrong
// with the content shows before the first database is stopped.
func (s *stepper) allReady() bool {
	ready := true
	for i := range s.run.Members {
		m := &s.run.Members[i]
		if !open(*m) || m.Goal != api.GoalReady || m.Report.State == api.PartConfigured {
			continue
		}
		ready = false
		if s.due(m.GoalSince, workLimit) {
			s.giveUp(m, tooLong(m.Node, "verifying and configuring", workLimit))
		}
	}
	return ready
}

// switchNext lets the next members switch, as many as may be unavailable now.
//
// Invariant: those with GoalSwitch are at most MaxUnavailable, and all of one
// location; only one until the first is healthy.
func (s *stepper) switchNext() (any bool) {
	limit := max(1, s.restore().MaxUnavailable)
	if !s.proven() {
		limit = 1
	}
	away, location := 0, ""
	for _, m := range s.run.Members {
		if m.Goal == api.GoalSwitch && open(m) {
			away, location = away+1, m.Location
		}
	}
	for i := range s.run.Members {
		m := &s.run.Members[i]
		if !open(*m) || m.Goal != api.GoalReady {
			continue
		}
		if away >= limit || away > 0 && m.Location != location {
			return true // they wait
		}
		s.setGoal(m, api.GoalSwitch)
		away, location, any = away+1, m.Location, true
	}
	return any
}

// proven reports whether the content has run on one member.
func (s *stepper) proven() bool {
	for _, m := range s.run.Members {
		if switched(m) {
			return true
		}
	}
	return false
}
