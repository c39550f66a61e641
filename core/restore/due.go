package restore

import (
	"cmp"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

const (
	// fireLate is how much later than due a run is still started: a store that is
	// restarted, or an agent, is no reason to leave it out.
	fireLate = 2 * time.Minute
	// keepRunsFor and keepRuns bound the history.
	keepRunsFor = 30 * 24 * time.Hour
	keepRuns    = 100
)

// Firing is what a schedule does at a moment.
type Firing struct {
	Due    time.Time // of the run to start now; zero for none
	Missed time.Time // the first time since which none was started; zero for none
	Next   time.Time // when it is due next; zero for never
}

// Fire decides what a schedule does now. It counts from NextDue, so that agents
// that read the same record decide alike. The error is that of ValidateSchedule.
func Fire(s api.Schedule, now time.Time) (Firing, error) {
	next, err := NextDue(s, now)
	if err != nil {
		return Firing{}, err
	}
	switch {
	case s.Paused || s.NextDue.IsZero():
		return Firing{Next: next}, nil
	case now.Before(s.NextDue):
		return Firing{Next: s.NextDue}, nil
	}
	f := Firing{Next: next}
	due := s.NextDue
	if oldest := now.Add(-fireLate); due.Before(oldest) {
		if due, err = NextDue(s, oldest); err != nil {
			return Firing{}, err
		}
	}
	for !due.IsZero() && !due.After(now) { // as many as fit in fireLate
		f.Due = due
		if due, err = NextDue(s, due); err != nil {
			return Firing{}, err
		}
	}
	if !f.Due.Equal(s.NextDue) {
		f.Missed = s.NextDue
	}
	return f, nil
}

// Outdated lists the runs whose records need not be kept: they ended a month ago,
// or a hundred have ended since and nothing of them is left on any node.
func Outdated(runs []api.Run, now time.Time) []string {
	ended := slices.DeleteFunc(slices.Clone(runs), func(r api.Run) bool { return !r.Phase.Finished() })
	slices.SortFunc(ended, func(a, b api.Run) int {
		return cmp.Or(b.FinishedAt.Compare(a.FinishedAt), cmp.Compare(a.ID, b.ID))
	})
	var out []string
	for i, r := range ended {
		if now.Sub(r.FinishedAt) > keepRunsFor || i >= keepRuns && !uncleaned(r) {
			out = append(out, r.ID)
		}
	}
	return out
}

// uncleaned reports whether nodes may still have to remove something of a run that
// ended: it says so by an error.
func uncleaned(r api.Run) bool { return r.Error != nil && r.Error.Code == api.CodeNodeLost }

// User is the run, other than except, that needs a backup now; "" if none does.
func User(runs []api.Run, backup, except string) string {
	for _, r := range runs {
		if r.ID != except && !r.Phase.Finished() && r.Backup != nil && r.Backup.ID == backup {
			return r.ID
		}
	}
	return ""
}

// Overlap is the run of a schedule that is still under way, "" if none is.
func Overlap(runs []api.Run, schedule string) string {
	for _, r := range runs {
		if r.Schedule == schedule && !r.Phase.Finished() {
			return r.ID
		}
	}
	return ""
}
