package restore_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

// A member that was restored without its primary has a slot there, which it cannot
// drop. The run waits for a moment only, for longer if the member failed itself, and
// for ten minutes if it has not said that it fails.
func TestPrimaryThatIsGoneHoldsUpNoRun(t *testing.T) {
	gone := &api.Error{Code: api.CodeUnreachable, Subject: "db2: primary db1:5432", Message: "No route to host"}
	const slot, needed = "the slot by which it followed before", "what only the run needed"
	for name, c := range map[string]struct {
		state api.PartState
		err   *api.Error
		wait  time.Duration
		left  string
	}{
		"it fails":                 {api.PartCommitted, gone, 5 * time.Second, slot},
		"it is under way":          {api.PartCommitted, nil, 10 * time.Minute, slot},
		"the member failed itself": {api.PartRolledBack, gone, 30 * time.Second, needed},
	} {
		run := api.Run{ID: "r1", Request: api.RunRequest{Database: "main", Backup: "b1", Restore: &api.Restore{As: api.AsStandalone}},
			Phase: api.RunCleaning, PhaseSince: start, Backup: &api.Backup{ID: "b1", Run: "r0"},
			Members: []api.RunPart{{Node: "db2", Goal: api.GoalEnd, Report: api.PartReport{Node: "db2", State: c.state, Error: c.err}}}}
		v := View{Run: run, Nodes: []api.Node{{Name: "db2", Alive: true}}, Now: start}
		for _, moment := range []struct {
			after    time.Duration
			finished bool
		}{{c.wait - time.Millisecond, false}, {c.wait, true}} {
			v.Now = start.Add(moment.after)
			r, actions := Advance(v)
			if r.Phase.Finished() != moment.finished || len(actions) > 0 {
				t.Errorf("%s: after %s it is %s, with %v", name, moment.after, r.Phase, actions)
			}
			if moment.finished && (r.Error == nil || r.Error.Code != api.CodeNodeLost || !strings.Contains(r.Error.Message, c.left) || !strings.Contains(r.Error.Fix, "nothing needs doing")) {
				t.Errorf("%s: it says %v of what is left", name, r.Error)
			}
			if !moment.finished && !Wake(v).Equal(start.Add(c.wait)) {
				t.Errorf("%s: it looks again at %v", name, Wake(v))
			}
		}
	}
}

// Retention goes by the age of backups. One clock that is years ahead, that of who
// leads the run or that of the source, deletes none.
func TestClockThatIsWrongDeletesNoBackup(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		now, taken time.Duration // of the run's end, and of its backup
		want       []string
	}{
		"right":                {0, 0, []string{"b-40"}},
		"the runner is ahead":  {1000 * day, 0, []string{"b-40"}},
		"the source is ahead":  {0, 1000 * day, []string{"b-40"}},
		"the source is behind": {0, -1000 * day, nil},
	} {
		old := func(id string, age time.Duration) api.Backup {
			return api.Backup{ID: id, Run: id, Database: "main", TakenAt: start.Add(-age), VerifiedAt: start.Add(-age)}
		}
		own := old("r1", -c.taken)
		v := View{Now: start.Add(c.now), Backups: []api.Backup{old("b-1", day), old("b-2", 2*day), old("b-40", 40*day), own},
			Nodes: []api.Node{{Name: "db1", Alive: true}},
			Run: api.Run{ID: "r1", Phase: api.RunCleaning, PhaseSince: start, Backup: &own,
				Request: api.RunRequest{Database: "main", Source: "db1", Copies: &api.Copies{Count: 1, Path: "/srv/b", KeepOnly: api.Retention{Days: 30}}},
				Source:  &api.RunPart{Node: "db1", Goal: api.GoalEnd, Report: api.PartReport{Node: "db1", State: api.PartEnded, Done: true}}}}
		r, actions := Advance(v)
		var deleted []string
		for _, a := range actions {
			deleted = append(deleted, a.DeleteBackup)
		}
		if !r.Phase.Finished() || !slices.Equal(deleted, c.want) {
			t.Errorf("%s: %s, deleted are %q, want %q", name, r.Phase, deleted, c.want)
		}
	}
}
