package restore

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginhost"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// patience is how long a condition may take before the test fails. Nothing is
// expected to come near.
const patience = time.Minute

func (w *world) eventually(what string, ok func() bool) {
	w.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("not in time: %s", what)
		}
	}
}

// start runs an agent until the function that it returns is called.
func (w *world) start() (stop func()) {
	w.Helper()
	w.open()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	worker := w.worker
	go func() {
		defer close(ended)
		worker.Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	w.T.Cleanup(stop)
	return stop
}

// create puts the run on record.
func (w *world) create() {
	w.Helper()
	w.run.CreatedAt = time.Now()
	_, created, err := w.store.CreateRun(w.Context(), w.run)
	if w.must(err); !created {
		w.Fatal("there is such a run")
	}
}

// goal has the run on record set a goal.
func (w *world) goal(run string, goal api.PartGoal) {
	w.Helper()
	w.edit(run, func(r *api.Run) {
		if r.Source != nil {
			r.Source.Goal = goal
		} else {
			r.Members[0].Goal = goal
		}
	})
}

func (w *world) edit(run string, fn func(*api.Run)) {
	w.Helper()
	_, err := w.store.UpdateRun(w.Context(), run, func(r api.Run) (api.Run, error) {
		fn(&r)
		return r, nil
	})
	w.must(err)
}

// report is what db1 said last of its part.
func (w *world) report(run string) api.PartReport {
	all, err := w.store.PartReports(w.Context(), run)
	if err != nil || len(all) == 0 {
		return api.PartReport{}
	}
	return all[0]
}

func (w *world) untilState(run string, s api.PartState) api.PartReport {
	w.Helper()
	var r api.PartReport
	w.eventually("part is "+string(s), func() bool {
		if r = w.report(run); r.State.Final() && r.State != s {
			w.Fatalf("part is %s instead of %s: %v", r.State, s, r.Error)
		}
		return r.State == s
	})
	return r
}

// finish ends the run, and waits until the agent has forgotten its part.
func (w *world) finish(run string) {
	w.Helper()
	w.goal(run, api.GoalEnd)
	w.eventually("the part is done", func() bool { return w.report(run).Done })
	w.edit(run, func(r *api.Run) { r.Phase = api.RunComplete })
	w.eventually("the journal is gone", func() bool {
		_, err := os.Stat(w.worker.notes.path(run))
		return errors.Is(err, os.ErrNotExist)
	})
}

// A run in the store leads a worker from goal to goal, and what the worker does is
// in the store.
func TestWorkerFollowsARun(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.start()
	w.create()
	r := w.untilState("r1", api.PartProbed)
	p := r.Probe
	if p == nil || p.Kind != api.DatabaseReplica || p.DataDir != w.data || p.Driver != "toy" || p.Engine != "Toy" || p.FreeBytes == 0 || p.Owner == "" || p.Group == "" || p.Mode != "0700" {
		t.Errorf("probe %+v", p)
	}
	w.goal("r1", api.GoalReady)
	w.untilState("r1", api.PartConfigured)
	w.goal("r1", api.GoalSwitch)
	r = w.untilState("r1", api.PartHealthy)
	if r.OldData != decide.StagedData(w.data, "r1") || r.Health == nil || !r.Health.Replicating {
		t.Errorf("%+v", r)
	}
	w.goal("r1", api.GoalCommit)
	r = w.untilState("r1", api.PartCommitted)
	if r.OldData != "" {
		t.Errorf("old data at %s after they were removed", r.OldData)
	}
	w.finish("r1")
	w.stands("new", true)
	text, err := json.Marshal(w.report("r1"))
	if w.must(err); strings.Contains(string(text), "hunter2") {
		t.Errorf("a secret is reported: %s", text)
	}
}

// The slot of one run is removed when another one has replaced its database.
func TestFormerMemberIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	for _, id := range []string{"r1", "r2"} {
		w.member(api.Restore{As: api.AsReplica, Force: true})
		w.run.ID = id
		w.stage(newer)
		w.follow(forward...)
		w.must(w.worker.notes.drop(id))
	}
	if got := w.listed("slots"); len(got) != 1 || got[0] != decide.MemberName("r2", "db1") {
		t.Errorf("slots %q, want that of r2", got)
	}
	w.stands("new", true)
}

// Once it has begun to switch, a node needs no store: not to go on, not to go back,
// and not after its agent died.
func TestSwitchGoesOnWithoutTheStore(t *testing.T) {
	for _, c := range []struct {
		name    string
		restore toyData
		dies    bool
		want    string
		state   api.PartState
	}{
		{"forward", newer, false, "new", api.PartHealthy},
		{"forward, the agent dies", newer, true, "new", api.PartHealthy},
		{"back", toyData{Cluster: "c1", Content: "new", Sick: "corrupt"}, false, "old", api.PartRolledBack},
		{"back, the agent dies", toyData{Cluster: "c1", Content: "new", Sick: "corrupt"}, true, "old", api.PartRolledBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.install(old, true)
			w.member(api.Restore{As: api.AsReplica})
			w.stage(c.restore)
			w.create()
			if c.dies {
				w.follow(api.GoalReady)
				left := 3 // checked, stopped, checked, and it dies before the exchange
				if w.steps(api.GoalSwitch, &left, prepared) == nil || w.running() != 0 {
					t.Fatal("the database runs")
				}
				w.stopStore()
				w.start()
			} else {
				w.before(func(method string) error {
					if method == "Stop" {
						w.stopStore()
					}
					return nil
				})
				w.start()
				w.goal("r1", api.GoalSwitch)
			}
			w.eventually("it is done without a store", func() bool {
				j := w.onDisk()
				return j != nil && j.State == c.state
			})
			w.stands(c.want, true)
			w.before(nil)
			w.startStore()
			if c.dies { // what the store knew before
				w.edit("r1", func(r *api.Run) { r.Members[0].Goal = api.GoalSwitch })
			}
			w.untilState("r1", c.state)
		})
	}
}

// While one run works on an instance another waits, and says for whom; a while
// later it gives up.
func TestOneRunAtATime(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.start()
	w.create()
	w.untilState("r1", api.PartProbed)
	second := func(id string) {
		w.run.ID = id
		w.run.Generation = 0
		w.create()
		w.eventually("it says for whom it waits", func() bool {
			e := w.report(id).Error
			return e != nil && e.Code == api.CodeInUse && strings.Contains(e.Message, "r1") && w.report(id).State == ""
		})
	}
	second("r2")
	w.finish("r1")
	w.untilState("r2", api.PartProbed)
	w.finish("r2")

	w.run.ID = "r1"
	w.must(w.store.DeleteRun(t.Context(), "r1"))
	w.create()
	w.untilState("r1", api.PartProbed)
	second("r3")
	w.ahead.Add(int64(lockPatience))
	if r := w.untilState("r3", api.PartFailed); r.Error.Code != api.CodeInUse || r.Error.Fix == "" {
		t.Errorf("%v", r.Error)
	}
	w.stands("old", true)
}

// Parts of a run that a store has lost go on for a while, and end then.
func TestRunThatIsGone(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.source()
	w.run.Source.Goal = api.GoalCapture
	w.start()
	w.create()
	w.untilState("r1", api.PartCaptured)
	w.must(w.store.DeleteRun(t.Context(), "r1"))
	p, _ := w.worker.part("r1")
	w.eventually("it is missed", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return !p.gone.IsZero()
	})
	if len(w.listed("pins")) != 1 || len(w.beside()) != 1 {
		t.Error("it was ended at once")
	}
	w.ahead.Add(int64(goneAfter))
	w.must(w.worker.lookAll(t.Context(), t.Context()))
	w.eventually("it is over", func() bool {
		p, settled := w.worker.part("r1")
		return p == nil && settled
	})
	w.leftNothing()
}

// An agent that is told to end while the database is down ends when it runs.
func TestShutdownLeavesNoDatabaseDown(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.create()
	stopped := make(chan struct{})
	w.before(func(method string) error {
		if method == "Stop" {
			close(stopped)
		}
		return nil
	})
	stop := w.start()
	w.goal("r1", api.GoalSwitch)
	<-stopped
	stop()
	w.stands("new", true)
}

// A damaged journal is put aside; what the run knows of the part counts then.
func TestDamagedJournal(t *testing.T) {
	for _, c := range []struct {
		last, want api.PartState
	}{
		{api.PartConfigured, api.PartProbed}, // nothing was touched: it begins again
		{api.PartSwapped, api.PartStuck},     // a person has to look
	} {
		w := newWorld(t)
		w.install(old, true)
		w.member(api.Restore{As: api.AsReplica})
		w.create()
		w.must(w.store.PutPartReport(t.Context(), "r1", api.PartReport{Node: "db1", State: c.last}))
		w.must(os.WriteFile(w.worker.notes.path("r1"), []byte("{"), 0o600))
		w.start()
		w.untilState("r1", c.want)
		if _, err := os.Stat(w.worker.notes.path("r1") + badSuffix); err != nil {
			t.Error(err)
		}
		w.stands("old", true)
	}
}

// An agent that comes back after its run is over removes what is left, and asks
// nobody.
func TestRunThatEndedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.follow(api.GoalReady)
	w.run.Phase, w.run.Members[0].Goal = api.RunFailed, api.GoalEnd
	w.create()
	w.start()
	w.eventually("it is over", func() bool { _, settled := w.worker.part("r1"); return settled })
	if got := append(w.beside(), w.listed("slots")...); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
	if r := w.report("r1"); !r.Done || r.State != api.PartFailed {
		t.Errorf("%+v", r)
	}
	w.stands("old", true)
}

// What takes long ends at once when the run does, wherever a node is.
func TestAbortEndsWhatIsUnderWay(t *testing.T) {
	for method, source := range map[string]bool{"Capture": true, "Probe": true, "Verify": false, "Configure": false, "Health": false} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			w.install(old, true)
			if source {
				w.source()
			} else {
				w.member(api.Restore{As: api.AsReplica})
				w.stage(newer)
			}
			w.create()
			begun := w.stall(method)
			w.start()
			w.goal("r1", map[bool]api.PartGoal{true: api.GoalCapture, false: api.GoalSwitch}[source])
			<-begun
			w.finish("r1")
			w.stands("old", true)
			if got := append(append(w.beside(), w.listed("pins")...), w.listed("slots")...); len(got) != 0 {
				t.Errorf("left: %q", got)
			}
		})
	}
}

// An agent that ends in the middle of something long ends at once, and the next one
// goes on.
func TestShutdownEndsWhatIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.install(newer, true)
	w.source()
	w.create()
	begun := w.stall("Capture")
	stop := w.start()
	w.goal("r1", api.GoalCapture)
	<-begun
	stop()
	w.start()
	w.untilState("r1", api.PartCaptured)
	w.finish("r1")
	w.leftNothing()
}

// A driver whose process ends again and again is asked again.
func TestDriverThatComesBack(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	var mu sync.Mutex
	failed := map[string]int{}
	w.before(func(method string) error {
		mu.Lock()
		defer mu.Unlock()
		if failed[method]++; failed[method] < 2 {
			return &pluginhost.Error{Driver: "toy", Reason: pluginhost.ReasonCrashed, Message: "its process ended"}
		}
		return nil
	})
	w.create()
	w.start()
	w.goal("r1", api.GoalCommit)
	w.eventually("it says that the driver failed", func() bool {
		e := w.report("r1").Error
		return e != nil && e.Code == api.CodeDriver
	})
	if r := w.untilState("r1", api.PartCommitted); r.Error != nil {
		t.Errorf("after all: %v", r.Error)
	}
	w.finish("r1")
	w.stands("new", true)
}
