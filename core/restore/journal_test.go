package restore_test

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

var goals = []api.PartGoal{"", api.GoalProbe, api.GoalCapture, api.GoalReady, api.GoalSwitch, api.GoalCommit, api.GoalRevert, api.GoalEnd, "unknown"}

// Whatever a journal says, no goal and no result makes the machine panic, or
// touch the database of a node that did not look at its role in this process.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"run":"r1","node":"db1","database":"main","member":false,"state":"pinned","source":{"pins":true}}`))
	f.Add([]byte(`{"run":"r1","node":"db2","member":true,"state":"stopped","content":{},"target":{"restore":{"as":"replica"},"swap":{"data":1,"staged":2},"exchanging":true}}`))
	f.Add([]byte(`{"run":"r1","node":"db2","member":true,"state":"healthy","content":{},"target":{"restore":{},"committing":true}}`))
	f.Add([]byte(`{"run":"","state":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := ParseJournal(data)
		if err != nil {
			return
		}
		text, err := j.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseJournal(text)
		if err != nil {
			t.Fatalf("it does not read what it wrote: %v", err)
		}
		if again, err := back.Encode(); err != nil || !bytes.Equal(text, again) {
			t.Fatalf("it writes %s, then %s", text, again)
		}
		for _, goal := range goals {
			op := Next(j, goal)
			if op == OpStop || op == OpExchange {
				t.Fatalf("%s, and the role was not looked at: %s", op, text)
			}
			for _, r := range []Result{{At: start}, {At: start, Err: &api.Error{}}, {At: start, Err: &api.Error{}, Retry: true}} {
				after, _ := j.Before(op, Swap{Data: 1, Staged: 2})
				after.After(op, r).Report()
			}
		}
	})
}

func TestSwapSide(t *testing.T) {
	for _, c := range []struct {
		swap         Swap
		data, staged uint64
		want         Side
	}{
		{Swap{1, 2}, 1, 2, SideOld},
		{Swap{1, 2}, 2, 1, SideNew},
		{Swap{0, 2}, 0, 2, SideOld},
		{Swap{0, 2}, 2, 0, SideNew},
		{Swap{1, 2}, 1, 0, SideUnknown},
		{Swap{1, 2}, 3, 2, SideUnknown},
		{Swap{1, 2}, 0, 0, SideUnknown},
		{Swap{0, 0}, 0, 0, SideUnknown},
	} {
		if got := c.swap.Side(c.data, c.staged); got != c.want {
			t.Errorf("%v with %d and %d: %s, want %s", c.swap, c.data, c.staged, got, c.want)
		}
	}
}

// Names fit where they are used, and differ where they must.
func TestNames(t *testing.T) {
	slot := regexp.MustCompile(`^[a-z0-9_]{1,63}$`)
	rapid.Check(t, func(t *rapid.T) {
		run := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9_-]{0,59}`)
		node := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,127}`)
		a, b, m, n := run.Draw(t, "a"), run.Draw(t, "b"), node.Draw(t, "m"), node.Draw(t, "n")
		for _, name := range []string{PinName(a), MemberName(a, m)} {
			if !slot.MatchString(name) {
				t.Fatalf("%q", name)
			}
		}
		if (PinName(a) == PinName(b)) != (a == b) || (MemberName(a, m) == MemberName(b, n)) != (a == b && m == n) {
			t.Fatalf("%q, %q, %q, %q: names collide", a, b, m, n)
		}
	})
	if got := StagedData("/srv/pg/data/", "r1"); got != "/srv/pg/.rackswarm.r1/data" {
		t.Errorf("staged data: %s", got)
	}
}

// An agent that lost its journal does not guess.
func TestLostJournal(t *testing.T) {
	restore := &api.Restore{As: api.AsReplica}
	for _, c := range []struct {
		last api.PartState
		goal api.PartGoal
		want api.PartState
		next Op // for GoalEnd
	}{
		{"", api.GoalProbe, "", OpGiveUp},
		{api.PartProbed, api.GoalReady, "", OpGiveUp},
		{api.PartConfigured, api.GoalReady, "", OpGiveUp},
		{api.PartConfigured, api.GoalSwitch, api.PartStuck, OpNone},
		{api.PartConfigured, api.GoalEnd, api.PartStuck, OpNone},
		{api.PartStopped, api.GoalSwitch, api.PartStuck, OpNone},
		{api.PartSwapped, api.GoalSwitch, api.PartStuck, OpNone},
		{api.PartHealthy, api.GoalCommit, api.PartStuck, OpNone},
		{api.PartRolledBack, api.GoalEnd, api.PartRolledBack, OpRemoveStaging},
		{api.PartCommitted, api.GoalCommit, api.PartCommitted, OpNone},
	} {
		r := api.Run{ID: "r1", Request: api.RunRequest{Restore: restore}, Members: []api.RunPart{{Node: "db2", Goal: c.goal, Report: api.PartReport{State: c.last}}}}
		j, ok := NewJournal(r, "db2")
		if !ok || j.State != c.want || Next(j, api.GoalEnd) != c.next {
			t.Errorf("it was %q: %v, %q, then %q", c.last, ok, j.State, Next(j, api.GoalEnd))
		}
	}
	r := api.Run{ID: "r1", Request: api.RunRequest{Source: "db1", Restore: restore}, Source: &api.RunPart{Node: "db1", Report: api.PartReport{State: api.PartPinned}}}
	if j, ok := NewJournal(r, "db1"); !ok || j.State != api.PartFailed || Next(j, api.GoalEnd) != OpUnpin {
		t.Errorf("a source: %v, %+v", ok, j)
	}
	if _, ok := NewJournal(r, "db9"); ok {
		t.Error("a node without a part has a journal")
	}
}

func journalOf(t *testing.T, text string) Journal {
	t.Helper()
	j, err := ParseJournal([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Once old data may be gone in part, every goal goes on removing them.
func TestCommitHasNoWayBack(t *testing.T) {
	j := journalOf(t, `{"run":"r1","node":"db2","member":true,"state":"healthy","content":{},"target":{"restore":{"as":"replica"},"swap":{"data":1,"staged":2}}}`)
	if op := Next(j, api.GoalRevert); op != OpStopNew {
		t.Errorf("before, the way back begins with %q", op)
	}
	j, changed := j.Before(OpRemoveOld, Swap{})
	if !changed {
		t.Error("that old data are removed is not noted first")
	}
	for _, goal := range goals[1:] {
		if op := Next(j, goal); op != OpRemoveOld {
			t.Errorf("goal %s leads to %q", goal, op)
		}
	}
}

// An agent that starts anew believes no health that another process saw: the
// machine may have been started with it.
func TestHealthIsLookedAtAgainBeforeACommit(t *testing.T) {
	const text = `{"run":"r1","node":"db2","member":true,"state":"healthy","content":{},"target":{"restore":{"as":"replica"},"running":true,"stopping":true,"swap":{"data":1,"staged":2}}}`
	well := Result{At: start, Health: &api.DatabaseHealth{Healthy: true, Replicating: true}}
	for _, c := range []struct {
		name   string
		health Result
		want   []Op
	}{
		{"well", well, []Op{OpStart, OpAwaitHealth, OpAwaitHealth, OpAwaitHealth, OpRemoveOld}},
		{"writable", Result{At: start, Health: &api.DatabaseHealth{Healthy: true, Replicating: true, Writable: true}}, []Op{OpStart, OpAwaitHealth, OpStopNew, OpExchangeBack, OpStartOld}},
		{"without its log", Result{At: start, Health: &api.DatabaseHealth{Fault: "log_gone"}, Final: true}, []Op{OpStart, OpAwaitHealth, OpStopNew, OpExchangeBack, OpStartOld}},
		{"silent", Result{At: start.Add(time.Hour)}, []Op{OpStart, OpAwaitHealth, OpStopNew, OpExchangeBack, OpStartOld}},
	} {
		j := journalOf(t, text)
		for i, want := range c.want {
			op := Next(j, api.GoalCommit)
			if op != want {
				t.Fatalf("%s: operation %d is %q, want %q", c.name, i, op, want)
			}
			r := Result{At: start}
			if op == OpAwaitHealth {
				r = c.health
			}
			j, _ = j.Before(op, Swap{})
			j = j.After(op, r)
		}
	}
}

// What another try may heal is tried for a while, also if looking again succeeds
// between; what nobody else would do is tried for ever.
func TestPatience(t *testing.T) {
	again := func(after time.Duration) Result {
		return Result{At: start.Add(after), Err: &api.Error{Code: api.CodeInternal, Message: "crashed"}, Retry: true}
	}
	replica := &api.DatabaseState{Kind: api.DatabaseReplica}
	j := journalOf(t, `{"run":"r1","node":"db2","member":true,"state":"configured","content":{},"target":{"restore":{"as":"replica"}}}`)
	for i := range 100 {
		if Next(j, api.GoalSwitch) == OpCheckRole {
			j = j.After(OpCheckRole, Result{At: start, Probe: replica})
		}
		if Next(j, api.GoalSwitch) != OpStop {
			if i < 10 || i > 20 || Next(j, api.GoalSwitch) != OpStartOld || j.Error == nil {
				t.Errorf("after %d tries: %q, %v", i, Next(j, api.GoalSwitch), j.Error)
			}
			break
		}
		j, _ = j.Before(OpStop, Swap{})
		j = j.After(OpStop, again(time.Duration(i)*10*time.Second))
	}
	j = journalOf(t, `{"run":"r1","node":"db1","member":false,"state":"captured","content":{},"source":{"pins":true,"holding":true}}`)
	for i := range 100 {
		if op := Next(j, api.GoalEnd); op != OpUnpin {
			t.Fatalf("after %d tries: %q", i, op)
		}
		j = j.After(OpUnpin, again(time.Duration(i)*time.Hour))
	}
	if j.Report().Error == nil || j.Done() {
		t.Errorf("a pin that stands is not told of: %+v", j.Report())
	}
}
