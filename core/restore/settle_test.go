package restore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

// What a part comes to when its node may not touch the database any more, and when
// its driver is missing: only between stop and commit is there a difference.
func TestPartsThatCannotGoOn(t *testing.T) {
	content, probe := &api.BackupContent{DataBytes: 7}, &api.DatabaseState{DataBytes: 5}
	member := func(state api.PartState, t TargetJournal) Journal {
		return Journal{Run: "r1", Node: "db2", Member: true, State: state, Content: content, Probe: probe, Target: &t}
	}
	swap := &Swap{Data: 1, Staged: 2}
	for name, c := range map[string]struct {
		j       Journal
		op      Op
		removed api.PartState // when the database is
		says    string        // its fix
		held    api.PartState // without the driver
		bytes   int64
	}{
		"nothing begun":      {member("", TargetJournal{}), OpProbe, api.PartFailed, "", api.PartFailed, 0},
		"configured":         {member(api.PartVerified, TargetJournal{Configuring: true}), OpConfigure, api.PartFailed, MemberName("r1", "db2"), api.PartFailed, 7},
		"before the stop":    {member(api.PartConfigured, TargetJournal{}), OpCheckRole, api.PartFailed, "", api.PartFailed, 7},
		"stopped":            {member(api.PartStopped, TargetJournal{Stopping: true, Running: true}), OpStartOld, api.PartStuck, "nothing was deleted", api.PartStopped, 7},
		"swapped":            {member(api.PartSwapped, TargetJournal{Stopping: true, Swap: swap}), OpStart, api.PartStuck, "nothing was deleted", api.PartSwapped, 7},
		"on the way back":    {member(api.PartSwapped, TargetJournal{Swap: swap, Reverting: true}), OpStopNew, api.PartStuck, "nothing was deleted", api.PartSwapped, 7},
		"committed":          {member(api.PartCommitted, TargetJournal{Former: "rs_before", Removed: true}), OpDropFormer, api.PartCommitted, "rs_before", api.PartCommitted, 0},
		"source, pinned":     {Journal{Run: "r1", Node: "db1", State: api.PartPinned, Probe: probe, Source: &SourceJournal{Holding: true, Writing: true}}, OpCapture, api.PartFailed, PinName("r1"), api.PartFailed, 5},
		"source, to let go":  {Journal{Run: "r1", Node: "db1", State: api.PartFailed, Content: content, Source: &SourceJournal{Holding: true, Writing: true}}, OpUnpin, api.PartFailed, PinName("r1"), api.PartFailed, 7},
		"source, not begun":  {Journal{Run: "r1", Node: "db1", Source: &SourceJournal{}}, OpProbe, api.PartFailed, "", api.PartFailed, 0},
		"source, with probe": {Journal{Run: "r1", Node: "db1", State: api.PartProbed, Probe: probe, Source: &SourceJournal{}}, OpCapture, api.PartFailed, "", api.PartFailed, 0},
	} {
		if got := c.j.Holds(); got != c.bytes {
			t.Errorf("%s: it holds %d bytes, want %d", name, got, c.bytes)
		}
		r := Result{Err: &api.Error{Code: api.CodeState, Message: "it is not configured", Fix: "look"}, Removed: true, At: start}
		got := c.j.After(c.op, r)
		if got.State != c.removed || got.Error == nil || !strings.Contains(got.Error.Fix, c.says) || got.Error.Fix == "" {
			t.Errorf("%s, database removed: %s, %v", name, got.State, got.Error)
		}
		if op := Next(got, api.GoalEnd); op != OpNone && op != OpDropCapture && op != OpRemoveStaging {
			t.Errorf("%s, database removed: %s comes next", name, op)
		}
		r = Result{Err: &api.Error{Code: api.CodeDriver, Message: "not in the catalogue", Fix: "add it"}, Hold: true, At: start}
		got = c.j.After(c.op, r)
		r.At = start.Add(24 * time.Hour)
		if got = got.After(c.op, r); got.State != c.held {
			t.Errorf("%s, driver missing: %s, want %s", name, got.State, c.held)
		}
	}
}
