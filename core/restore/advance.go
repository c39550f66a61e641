package restore

import (
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// How long a run waits before it goes on without.
const (
	// LostAfter is how long a node may be unreachable before its part is given up.
	LostAfter = time.Minute
	// probeLimit: an agent that takes part answers within it.
	probeLimit = 2 * time.Minute
	// copyPatience is for a node that cannot get the content, unless the reason is
	// one that waiting does not change.
	copyPatience = 5 * time.Minute
	// workLimit is for what takes as long as the database is large.
	workLimit = 24 * time.Hour
	// switchLimit is for stopping and starting, beside HealthTimeout; backLimit for
	// the way back, and for removing old data.
	switchLimit = 15 * time.Minute
	backLimit   = 30 * time.Minute
	cleanLimit  = 10 * time.Minute
	// formerLimit is for what members left on the primary that they followed,
	// failedLimit for what those that failed left anywhere.
	formerLimit = 5 * time.Second
	failedLimit = 30 * time.Second
)

// Advance decides what comes next in a run. The actions are performed first, in
// their order; then the record is written, unless it was changed meanwhile. If
// there is nothing to do it returns an equal record and no action. Generation,
// UpdatedAt and Runner are the caller's to set.
func Advance(v View) (api.Run, []Action) {
	s := advance(v)
	return s.run, s.actions
}

// Wake is when Advance has something to do though nothing changes; zero for
// never. It is asked for a view with which Advance has nothing to do now.
func Wake(v View) time.Time { return advance(v).wake }

// stepper is one call of Advance.
type stepper struct {
	v       View
	run     api.Run // a copy
	actions []Action
	wake    time.Time
}

func advance(v View) *stepper {
	s := &stepper{v: v, run: clone(v.Run)}
	if s.run.Phase.Finished() {
		return s
	}
	s.watchNodes()
	if err := s.over(); err != nil && s.run.Phase != api.RunCleaning {
		s.stop(err)
		return s
	}
	switch s.run.Phase {
	case api.RunPlanned:
		s.plan()
	case api.RunPreflight:
		s.preflight()
	case api.RunCapturing:
		s.capture()
	case api.RunCopying:
		s.copy()
	case api.RunRolling:
		s.roll()
	case api.RunCleaning:
		s.clean()
	}
	return s
}

// due reports whether a time has passed; if not, Wake will say when.
func (s *stepper) due(since time.Time, limit time.Duration) bool {
	at := since.Add(limit)
	if !s.v.Now.Before(at) {
		return true
	}
	if s.wake.IsZero() || at.Before(s.wake) {
		s.wake = at
	}
	return false
}

func (s *stepper) enter(p api.RunPhase) {
	s.run.Phase, s.run.PhaseSince = p, s.v.Now
	if p == api.RunCleaning && s.run.Error == nil {
		s.run.Error = firstError(s.run)
	}
}

func (s *stepper) setGoal(p *api.RunPart, goal api.PartGoal) {
	if p.Goal != goal {
		p.Goal, p.GoalSince = goal, s.v.Now
	}
}

// over is why the run ends before it is done; nil if it goes on. While members
// switch, the source counts only as long as they need its log.
func (s *stepper) over() *api.Error {
	src := s.run.Source
	switch {
	case s.run.Aborting:
		return &api.Error{Code: api.CodeAborted, Subject: s.run.ID, Message: "the run was asked to end"}
	case s.run.Error != nil:
		return s.run.Error
	case src == nil || !failed(*src):
		return nil
	case s.run.Phase == api.RunRolling && !(needsPin(s.run.Request) && s.anyWaits()):
		return nil
	}
	return partError(*src)
}

// anyWaits reports whether a member has yet to catch up.
func (s *stepper) anyWaits() bool {
	for _, m := range s.run.Members {
		if open(m) && m.Report.State != api.PartHealthy {
			return true
		}
	}
	return false
}

// stop ends the run for err. What is being switched goes back first.
func (s *stepper) stop(err *api.Error) {
	if s.run.Error == nil {
		s.run.Error = err
	}
	if s.run.Phase != api.RunRolling {
		s.enter(api.RunCleaning)
		return
	}
	for i := range s.run.Members {
		if m := &s.run.Members[i]; m.Goal == api.GoalSwitch {
			s.setGoal(m, api.GoalRevert)
		}
	}
	s.roll()
}

// plan asks every part what it has.
func (s *stepper) plan() {
	for _, p := range s.run.Parts() {
		s.setGoal(p, api.GoalProbe)
	}
	s.enter(api.RunPreflight)
}

func (s *stepper) preflight() {
	waiting := false
	for _, p := range s.run.Parts() {
		switch {
		case p.Error != nil || p.Report.State != "":
		case s.due(p.GoalSince, probeLimit):
			s.giveUp(p, &api.Error{Code: api.CodeNodeLost, Message: "the agent does not take its part in the run",
				Fix: "look at its log; is its version that of the others?"})
		default:
			waiting = true
		}
	}
	if waiting || s.run.Source != nil && failed(*s.run.Source) {
		return
	}
	if err := s.refused(); err != nil {
		s.stop(err)
		return
	}
	switch wanted := s.anyOpen(); {
	case s.run.Source != nil && (wanted || s.run.Request.Copies != nil):
		s.setGoal(s.run.Source, api.GoalCapture)
		s.enter(api.RunCapturing)
	case wanted:
		s.enter(api.RunCopying)
	default:
		s.enter(api.RunCleaning) // all of them are fine, or gone
	}
}

// refused says which members must not be restored. One of them ends the run
// before anything is captured: it is asked for something that is wrong.
func (s *stepper) refused() *api.Error {
	want, more := s.expected(), 0
	var first *api.Error
	for _, m := range s.run.Members {
		err := refusalOf(m, *s.run.Request.Restore, want)
		switch {
		case err == nil:
		case first == nil:
			first = at(err, m.Node)
		default:
			more++
		}
	}
	if more > 0 {
		first.Message += fmt.Sprintf("; %d more are refused", more)
	}
	return first
}

func refusalOf(m api.RunPart, r api.Restore, want api.BackupContent) *api.Error {
	switch {
	case m.Error != nil:
		return nil // it is left out
	case m.Report.State == api.PartFailed:
		return partError(m)
	case m.Report.Probe == nil:
		return &api.Error{Code: api.CodeInternal, Message: "the agent did not say what it found"}
	case m.Report.State == api.PartSkipped:
		return checkContent(*m.Report.Probe, r, want)
	}
	return Check(*m.Report.Probe, r, want)
}

// expected is the content as far as it is known: that of the backup, or what the
// source has now.
func (s *stepper) expected() api.BackupContent {
	if s.run.Backup != nil {
		return s.run.Backup.Content
	}
	if s.run.Source == nil || s.run.Source.Report.Probe == nil {
		return api.BackupContent{}
	}
	p := s.run.Source.Report.Probe
	return api.BackupContent{Driver: p.Driver, Engine: p.Engine, Version: p.Version, Architecture: p.Architecture,
		ClusterID: p.ClusterID, Timeline: p.Timeline, DataBytes: p.DataBytes}
}

// capture waits for the source.
func (s *stepper) capture() {
	report := s.run.Source.Report
	if report.State != api.PartCaptured || report.Content == nil || report.Digest == "" {
		if s.due(s.run.PhaseSince, workLimit) {
			s.stop(tooLong(s.run.Source.Node, "capturing the database", workLimit))
		}
		return
	}
	b := api.Backup{ID: backupID(s.run), Database: s.run.Request.Database, Digest: report.Digest, Run: s.run.ID,
		Node: s.run.Source.Node, Schedule: s.run.Schedule, Content: *report.Content, SizeBytes: report.Size,
		TakenAt: report.TakenAt, VerifiedAt: report.VerifiedAt}
	if c := s.run.Request.Copies; c != nil {
		nodes, err := place(*c, s.v.Nodes, s.run.Source.Node)
		if err != nil { // nodes may come back, or be made known to a store that lost who is there
			if s.run.TroubleSince.IsZero() {
				s.run.TroubleSince = s.v.Now
			}
			if s.due(s.run.TroubleSince, LostAfter) {
				s.stop(asError(err))
			}
			return
		}
		s.run.TroubleSince = time.Time{}
		b.Distribution, b.Path, b.Copies = "backup-"+b.ID, copiesPath(*c, b.Database, b.ID), nodes
		s.run.Distributions = append(s.run.Distributions, b.Distribution)
	}
	s.run.Backup = &b
	s.enter(api.RunCopying)
}

func asError(err error) *api.Error {
	if e, ok := err.(*api.Error); ok { //nolint:errorlint // place wraps nothing
		return e
	}
	return &api.Error{Code: api.CodeInternal, Message: err.Error()}
}

func tooLong(subject, what string, limit time.Duration) *api.Error {
	return &api.Error{Code: api.CodeNodeLost, Subject: subject, Message: fmt.Sprintf("%s was not done within %v", what, limit),
		Fix: "look at the agent's log"}
}
