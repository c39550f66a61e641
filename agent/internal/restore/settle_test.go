package restore

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/pluginhost"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// A node that could not publish what it captures says so before it captures.
func TestSourceWithoutAPublishersKey(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.keyless = true
	w.source()
	w.before(func(method string) error {
		w.violation("driver asked to %s", method)
		return nil
	})
	w.follow(api.GoalProbe)
	j := w.journal()
	if j.State != api.PartFailed || j.Error.Code != api.CodeCannotPublish || !strings.Contains(j.Error.Fix, "publish.key in the configuration of db1") {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	w.follow(api.GoalEnd)
	w.leftNothing()
	w.stands("new", true)
	if len(w.worker.locks.held) != 0 {
		t.Errorf("it holds %v", w.worker.locks.held)
	}
}

// missingDriver is a driver that cannot be started until a person corrects it.
var missingDriver = &pluginhost.Error{Driver: "toy", Reason: pluginhost.ReasonCatalog, Message: "it is not in the catalogue", Fix: "add it"}

// brokenCatalog is Drivers of which none starts.
type brokenCatalog struct{}

func (brokenCatalog) Database(context.Context, string) (pluginapi.DatabaseDriver, error) {
	return nil, missingDriver
}

// Without its driver a node fails its part at once.
func TestMemberWhoseDriverIsMissing(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.worker.cfg.Drivers = brokenCatalog{}
	w.follow(api.GoalProbe)
	j := w.journal()
	if j.State != api.PartFailed || j.Error.Code != api.CodeDriver || j.Error.Fix != "add it" || !strings.Contains(j.Error.Message, "not in the catalogue") {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	w.stands("old", true)
}

// In the middle of a switch it waits for its driver, however long that takes, and
// goes on.
func TestDriverThatIsMissingMidway(t *testing.T) {
	for name, goal := range map[string]api.PartGoal{"forward": api.GoalSwitch, "back": api.GoalRevert} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install(old, true)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(newer)
			w.follow(api.GoalReady)
			left := 3 // it dies when it has exchanged
			if w.steps(api.GoalSwitch, &left, taken) == nil {
				t.Fatal("it is over")
			}
			w.open()
			w.worker.cfg.Drivers = brokenCatalog{}
			w.want(goal)
			p := w.part()
			p.takeIn(decide.OpLook, p.attempt(t.Context(), decide.OpLook)) // needs none
			for range 5 {
				op := p.next()
				r := p.attempt(t.Context(), op)
				if r.Err == nil || r.Err.Code != api.CodeDriver {
					t.Fatalf("%s: %v", op, r.Err)
				}
				w.ahead.Add(int64(time.Hour))
				p.takeIn(op, r)
			}
			if j := w.journal(); j.State != api.PartSwapped || j.Trouble == nil || !strings.Contains(j.Report().Error.Message, "not in the catalogue") {
				t.Fatalf("%s: %v", j.State, j.Trouble)
			}
			w.open() // corrected
			w.follow(goal)
			w.stands(map[api.PartGoal]string{api.GoalSwitch: "new", api.GoalRevert: "old"}[goal], true)
		})
	}
}

// A database that is removed from the configuration while a run works on it is not
// touched any more. What the run has come to is told, with what it left.
func TestDatabaseIsRemovedFromTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		after int // operations with which goal
		goal  api.PartGoal
		state api.PartState
		says  string // the fix
		stays string // the old data lie there
		runs  bool
	}{
		{0, api.GoalProbe, api.PartFailed, "remove nodes from runs", "", true},
		{2, api.GoalReady, api.PartFailed, decide.MemberName("r1", "db1"), "", true}, // configured
		{1, api.GoalSwitch, api.PartStuck, "nothing was deleted", "", false},         // stopped
		{3, api.GoalSwitch, api.PartStuck, "nothing was deleted", "old", false},      // swapped
		{6, api.GoalSwitch, api.PartStuck, "nothing was deleted", "old", true},       // healthy for a moment
	} {
		t.Run(string(c.state)+string(c.goal), func(t *testing.T) {
			w := newWorld(t)
			w.install(old, true)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(newer)
			if c.goal != api.GoalProbe {
				w.follow(api.GoalProbe)
			}
			if c.goal == api.GoalSwitch {
				w.follow(api.GoalReady)
			}
			left := c.after
			if w.steps(c.goal, &left, taken) == nil {
				t.Fatal("it did not die")
			}
			if !Pending(w.state) {
				t.Error("nothing is pending")
			}
			w.open()
			w.worker.cfg.Databases = nil
			w.before(func(method string) error {
				w.violation("driver asked to %s", method)
				return nil
			})
			w.follow(api.GoalSwitch)
			w.follow(api.GoalEnd)
			j := w.journal()
			if j.State != c.state || !j.Done() || !strings.Contains(j.Error.Message, `no database "main" any more`) || !strings.Contains(j.Error.Fix, c.says) {
				t.Errorf("%s, done %v: %v", j.State, j.Done(), j.Error)
			}
			if c.stays != "" {
				if d, err := readToy(decide.StagedData(w.data, "r1")); err != nil || d.Content != c.stays {
					t.Errorf("beside the data is %q, %v", d.Content, err)
				}
				w.stands("new", c.runs)
			} else {
				w.stands("old", c.runs)
			}
		})
	}
}

func TestSourceIsRemovedFromTheConfiguration(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.source()
	w.follow(api.GoalCapture)
	w.open()
	w.worker.cfg.Databases = nil
	w.follow(api.GoalEnd)
	j := w.journal()
	if !j.Done() || j.State != api.PartFailed || !strings.Contains(j.Error.Fix, decide.PinName("r1")) {
		t.Errorf("%s, done %v: %v", j.State, j.Done(), j.Error)
	}
	if got := w.beside(); len(got) != 0 {
		t.Errorf("left %q", got)
	}
}

// A node that cannot read its journals fails what has not begun, and says why the
// rest does not go on.
func TestRefuser(t *testing.T) {
	w := newWorld(t)
	w.member(api.Restore{As: api.AsReplica})
	w.create()
	w.run.ID, w.run.Generation = "r2", 0
	w.create()
	w.must(w.store.PutPartReport(t.Context(), "r2", api.PartReport{Node: "db1", State: api.PartSwapped, OldData: "/old"}))
	w.must(os.RemoveAll(w.state), os.WriteFile(w.state, nil, 0o600))
	c := w.config()
	_, err := NewWorker(c)
	if err == nil {
		t.Fatal("a worker without a place for journals")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); NewRefuser(c, err).Run(ctx) }()
	r := w.untilState("r1", api.PartFailed)
	if !r.Done || !strings.Contains(r.Error.Message, "directory for journals") || !strings.Contains(r.Error.Fix, "restart") || r.Error.Subject != "db1" {
		t.Errorf("%+v: %v", r, r.Error)
	}
	w.eventually("it says why", func() bool { return w.report("r2").Error != nil })
	if r := w.report("r2"); r.State != api.PartSwapped || r.Done || r.OldData != "/old" {
		t.Errorf("what had begun: %+v", r)
	}
	cancel()
	<-ended
}

// What parts hold counts against the node's quota, from before it is captured until
// it is removed, and after a restart.
func TestBudget(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.budget = quota.New(3)
	w.source()
	w.budget.Set("site", 1)
	w.before(func(method string) error {
		if method == "Capture" {
			w.violation("it was captured")
		}
		return nil
	})
	w.follow(api.GoalCapture)
	if j := w.journal(); j.State != api.PartFailed || j.Error.Code != api.CodeQuota || !strings.Contains(j.Error.Subject, "+capture") {
		t.Fatalf("%s: %v", j.State, j.Error)
	}
	w.follow(api.GoalEnd)
	w.leftNothing()
	w.must(w.worker.notes.drop("r1"))
	if n := w.budget.Used(); n != 1 {
		t.Fatalf("%d bytes after it failed", n)
	}

	w.budget.Set("site", 0)
	w.before(nil)
	w.source()
	w.follow(api.GoalCapture)
	if n := w.budget.Used(); n != int64(len(newer.Content)) {
		t.Errorf("%d bytes while a capture stands", n)
	}
	w.budget = quota.New(3)
	w.open()
	if n := w.budget.Used(); n != int64(len(newer.Content)) {
		t.Errorf("%d bytes after a restart", n)
	}
	w.follow(api.GoalEnd)
	if n := w.budget.Used(); n != 0 {
		t.Errorf("%d bytes when it is removed", n)
	}

	m := newWorld(t)
	m.install(old, true)
	m.budget = quota.New(100)
	m.member(api.Restore{As: api.AsReplica})
	m.stage(newer)
	m.follow(api.GoalProbe, api.GoalReady)
	if n := m.budget.Used(); n != contentNew.DataBytes {
		t.Errorf("%d bytes with a copy beside the data", n)
	}
	m.follow(api.GoalSwitch, api.GoalCommit)
	if n := m.budget.Used(); n != 0 {
		t.Errorf("%d bytes when the old data are removed", n)
	}
}

// Only a capture that no run and no journal needs is collected, and never what may
// be an old database.
func TestCollect(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.source()
	w.create()
	w.follow(api.GoalProbe, api.GoalCapture)
	capture := capturePath(w.data, "r1")
	w.must(os.MkdirAll(decide.StagedData(w.data, "r0"), 0o700), os.Mkdir(capturePath(w.data, "r9"), 0o700)) // an old database, and something else
	w.ahead.Store(int64(2 * collectGrace))
	collect := func(dry bool, want ...string) {
		t.Helper()
		items, err := w.worker.Collect(t.Context(), dry)
		w.must(err)
		var paths []string
		for _, item := range items {
			paths = append(paths, item.Path)
			if item.Bytes != int64(len(newer.Content)) || item.Reason == "" {
				t.Errorf("%+v", item)
			}
		}
		if !slices.Equal(paths, want) {
			t.Errorf("collected %q, want %q", paths, want)
		}
	}
	collect(false) // it is under way
	w.open()
	collect(false) // the agent was restarted
	w.must(w.worker.notes.drop("r1"))
	w.open()
	collect(false) // its journal is lost, and the run goes on
	w.must(w.store.DeleteRun(t.Context(), "r1"))
	w.ahead.Store(0)
	collect(false) // it was touched just now
	w.ahead.Store(int64(2 * collectGrace))
	w.worker.cfg.Self = "db7"
	collect(false) // another agent's
	w.worker.cfg.Self = "db1"
	collect(true, capture)
	if inodeAt(capture) == 0 {
		t.Fatal("deleted when it was to be listed")
	}
	collect(false, capture)
	if inodeAt(capture) != 0 || len(w.served.paths) != 0 {
		t.Error("it is there, or served")
	}
	if got := w.beside(); !slices.Equal(got, []string{".rackswarm.r0", ".rackswarm.r9+capture"}) {
		t.Errorf("left: %q", got)
	}
	w.stopStore()
	w.must(os.RemoveAll(capturePath(w.data, "r9")))
	collect(false)
}

// An agent that comes back holds the instances of its parts before another run can
// take them, and lets go of them at the end.
func TestLocksAreTakenAgain(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.follow(api.GoalReady)
	w.open()
	if holder, ok := w.worker.locks.take(w.data, "r2"); ok || holder != "r1" {
		t.Errorf("the instance is %q's", holder)
	}
	w.follow(api.GoalSwitch, api.GoalCommit)
	if holder, ok := w.worker.locks.take(w.data, "r2"); !ok {
		t.Errorf("the instance is still %q's", holder)
	}
}

// The primary is gone for good, and with it what the run has yet to remove there:
// the database of this node is free for the next run all the same, also after a
// restart of the agent.
func TestLockIsNotHeldForThePrimary(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsStandalone})
	w.must(w.worker.follows("main", "rs_before"))
	w.stage(newer)
	w.follow(api.GoalReady, api.GoalSwitch)
	w.before(func(method string) error {
		if method == "Cleanup" {
			return &pluginapi.Error{Code: pluginapi.CodeUnreachable, Message: "no answer"}
		}
		return nil
	})
	p := w.part()
	p.note.Goal = api.GoalCommit
	for op := p.next(); ; op = p.next() {
		p.takeIn(op, p.attempt(t.Context(), op))
		if op == decide.OpDropFormer {
			break
		}
		if op == decide.OpNone {
			t.Fatalf("nothing is left to do: %+v", w.journal())
		}
	}
	for _, when := range []string{"while the part goes on", "after a restart"} {
		if holder, ok := w.worker.locks.take(w.data, "r2"); !ok {
			t.Errorf("%s the instance is %q's", when, holder)
		}
		w.open()
	}
	if j := w.journal(); j.Done() || j.State != api.PartCommitted {
		t.Errorf("the slot is forgotten: %+v", j)
	}
}

// A probe that fails leaves the instance to others.
func TestLockOfAFailedProbe(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.before(func(string) error { return &pluginapi.Error{Code: pluginapi.CodeUnreachable, Message: "no answer"} })
	p := w.part()
	p.takeIn(decide.OpProbe, p.attempt(t.Context(), decide.OpProbe))
	if holder, ok := w.worker.locks.take(w.data, "r2"); !ok {
		t.Errorf("the instance is %q's", holder)
	}
}

// Old data are not removed when what stands is not what was restored.
func TestOldDataStayWhenTheNewWereExchanged(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.follow(api.GoalReady, api.GoalSwitch)
	w.must(os.Rename(w.data, w.data+".mine"), os.Mkdir(w.data, 0o700))
	w.want(api.GoalCommit)
	p := w.part()
	op := p.next()
	r := p.attempt(t.Context(), op)
	if op != decide.OpRemoveOld || r.Err == nil || r.Err.Code != api.CodeState || !strings.Contains(r.Err.Message, ".rackswarm.r1") {
		t.Fatalf("%s: %v", op, r.Err)
	}
	if d, err := readToy(decide.StagedData(w.data, "r1")); err != nil || d.Content != "old" {
		t.Errorf("the old data: %q, %v", d.Content, err)
	}
	w.must(os.Remove(w.data), os.Rename(w.data+".mine", w.data))
	w.follow(api.GoalCommit)
	w.stands("new", true)
}

// A file with another name elsewhere is given to nobody.
func TestHardLinkKeepsItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	other := filepath.Join(w.TempDir(), "shadow")
	w.must(os.WriteFile(other, nil, 0o600), os.Chown(other, 4242, 4242), os.Link(other, filepath.Join(decide.StagedData(w.data, "r1"), "x")))
	w.follow(api.GoalReady)
	if j := w.journal(); j.State != api.PartFailed || j.Error.Code != api.CodeForeignContent {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	f, err := os.Open(filepath.Dir(other))
	w.must(err)
	defer f.Close()
	st, err := lstat(f, "shadow")
	if w.must(err); st.Uid != 4242 {
		t.Errorf("it belongs to %d now", st.Uid)
	}
}

// The copy is removed when no distribution holds it, and not before.
func TestStagingStaysWhileItIsHeld(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.follow(api.GoalReady)
	w.held.set(true)
	w.want(api.GoalEnd)
	p := w.part()
	for op := p.next(); op != decide.OpRemoveStaging; op = p.next() {
		p.takeIn(op, p.attempt(t.Context(), op))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := p.attempt(ctx, decide.OpRemoveStaging); r.Err == nil || !r.Retry {
		t.Errorf("%+v", r)
	}
	if inodeAt(decide.StagedData(w.data, "r1")) == 0 || w.journal().Done() {
		t.Error("it is removed")
	}
	w.held.set(false)
	w.follow(api.GoalEnd)
	if got := w.beside(); len(got) != 0 || !w.journal().Done() {
		t.Errorf("left %q", got)
	}
}

// What another node serves, too, stays on record.
func TestArtifactOfAnotherSeedStays(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.source()
	w.follow(api.GoalCapture)
	a, err := w.store.Artifact(t.Context(), digest)
	w.must(err)
	a.Seeds = []string{"db1", "db2"}
	w.must(w.store.PutArtifact(t.Context(), a))
	w.follow(api.GoalEnd)
	a, err = w.store.Artifact(t.Context(), digest)
	if err != nil || !slices.Equal(a.Seeds, []string{"db2"}) {
		t.Errorf("seeds %q, %v", a.Seeds, err)
	}
	if len(w.served.paths) != 0 || len(w.beside()) != 0 {
		t.Error("it is there, or served")
	}
}

// A store that comes back without the last reports gets them again.
func TestReportsThatTheStoreLost(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.create()
	w.stopStore()
	before, err := os.ReadFile(w.listen.StateFile)
	w.must(err)
	w.startStore()
	w.start()
	w.untilState("r1", api.PartProbed)
	w.eventually("it is known that the store has it", func() bool {
		p, _ := w.worker.part("r1")
		return p != nil && p.reports.told()
	})
	w.stopStore()
	w.must(os.WriteFile(w.listen.StateFile, before, 0o600))
	w.startStore()
	w.untilState("r1", api.PartProbed)
}

// A store that is replaced by an empty one in the middle of a switch takes nothing
// back: what proves healthy stays, and its old data go; what does not goes back. A
// run that somebody deleted is over, and what was not committed goes back.
func TestRunThatTheStoreLost(t *testing.T) {
	for _, c := range []struct {
		name    string
		restore toyData
		lost    bool
		want    string
		state   api.PartState
	}{
		{"lost, healthy", newer, true, "new", api.PartCommitted},
		{"lost, sick", toyData{Cluster: "c1", Content: "new", Sick: "corrupt"}, true, "old", api.PartRolledBack},
		{"deleted, healthy", newer, false, "old", api.PartRolledBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.install(old, true)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(c.restore)
			w.follow(api.GoalReady, api.GoalSwitch)
			p := w.part()
			p.update(w.run, w.run.Members[0], "a store")
			identity := map[bool]string{true: "another", false: "a store"}[c.lost]
			for range 3 { // looks at the store
				p.missing(identity)
				w.ahead.Add(int64(goneAfter))
				p.missing(identity)
				for op := p.next(); op != decide.OpNone; op = p.next() {
					p.takeIn(op, p.attempt(t.Context(), op))
				}
			}
			if j := p.note.journal; j.State != c.state || !j.Done() || !p.settled() {
				t.Errorf("%s, done %v: %v", j.State, j.Done(), j.Error)
			}
			w.stands(c.want, true)
			if got := w.beside(); len(got) != 0 {
				t.Errorf("left %q", got)
			}
		})
	}
}

// A member that has not exchanged its data yet goes back even then.
func TestStoppedMemberOfALostRunGoesBack(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.follow(api.GoalReady)
	w.want(api.GoalSwitch)
	p := w.part()
	p.missing("another")
	w.ahead.Add(int64(goneAfter))
	p.missing("another")
	for op := p.next(); op != decide.OpNone; op = p.next() {
		p.takeIn(op, p.attempt(t.Context(), op))
	}
	if j := p.note.journal; j.State != api.PartFailed || !j.Done() {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	w.stands("old", true)
}
