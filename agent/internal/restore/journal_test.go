package restore

import (
	"bytes"
	"os"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	decide "github.com/rackswarm/rackswarm/core/restore"
)

// full lets no journal be written until room is called, as on a disk that is full.
func (w *world) full() (room func()) {
	w.Helper()
	dir := w.worker.notes.dir
	w.must(os.Rename(dir, dir+".away"), os.WriteFile(dir, nil, 0o600))
	return func() { w.must(os.Remove(dir), os.Rename(dir+".away", dir)) }
}

// fullWhen has the journal become unwritable when the driver is first asked for
// something.
func (w *world) fullWhen(method string) (room func()) {
	done := false
	w.before(func(called string) error {
		if called == method && !done {
			done = true
			room = w.full()
		}
		return nil
	})
	return func() { room() }
}

// When the journal cannot be written between the stop and the exchange, nothing is
// exchanged, and the old database runs again. So it does when the agent dies then.
func TestJournalThatCannotBeWrittenBeforeTheExchange(t *testing.T) {
	for _, dies := range []bool{false, true} {
		w := newWorld(t)
		w.install(old, true)
		w.member(api.Restore{As: api.AsReplica})
		w.stage(newer)
		w.follow(api.GoalReady)
		room := w.fullWhen("Stop")
		w.follow(api.GoalSwitch)
		w.stands("old", true)
		j := w.journal()
		if j.State != api.PartRolledBack || j.Error.Code != api.CodeIO || j.Error.Fix == "" {
			t.Fatalf("%s: %v", j.State, j.Error)
		}
		room()
		if dies {
			w.open()
		}
		w.follow(api.GoalRevert, api.GoalEnd)
		w.stands("old", true)
		if got := w.beside(); len(got) != 0 || !w.journal().Done() {
			t.Errorf("left %q", got)
		}
	}
}

// When it cannot be written after the exchange, a database that does not do is
// taken back all the same, and old data are not removed. An agent that dies then
// finds what stands.
func TestJournalThatCannotBeWrittenAfterTheExchange(t *testing.T) {
	for name, c := range map[string]struct {
		staged toyData
		want   string
	}{
		"sick":    {toyData{Cluster: "c1", Content: "new", Sick: pluginapi.FaultCorrupt}, "old"},
		"healthy": {newer, "new"},
	} {
		for _, dies := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				w.install(old, true)
				w.member(api.Restore{As: api.AsReplica})
				w.stage(c.staged)
				w.follow(api.GoalReady)
				room := w.fullWhen("Health")
				w.follow(api.GoalSwitch)
				w.stands(c.want, true)
				w.want(api.GoalCommit)
				if p := w.part(); p.next() == decide.OpRemoveOld {
					r := p.attempt(t.Context(), decide.OpRemoveOld)
					if r.Err == nil || !r.Retry || inodeAt(decide.StagedData(w.data, "r1")) == 0 {
						t.Errorf("the old data are removed without a journal: %v", r.Err)
					}
				}
				room()
				goal := api.GoalCommit
				if c.want == "old" {
					goal = api.GoalRevert
				}
				if dies {
					w.open()
				}
				w.follow(goal, api.GoalEnd)
				w.stands(c.want, true)
				if got := w.beside(); len(got) != 0 || !w.journal().Done() {
					t.Errorf("left %q, %+v", got, w.journal())
				}
			})
		}
	}
}

// Of two journals about one database, which somebody copied, the second is left as it
// is, whatever its run says.
func TestJournalThatContradictsAnother(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.follow(api.GoalReady)
	text, err := os.ReadFile(w.worker.notes.path("r1"))
	w.must(err)
	second := bytes.ReplaceAll(text, []byte(`"r1"`), []byte(`"r2"`))
	w.must(os.WriteFile(w.worker.notes.path("r2"), second, 0o600))
	w.start()
	w.create()
	w.run.ID, w.run.Generation = "r2", 0
	w.create()
	w.goal("r2", api.GoalSwitch)
	w.finish("r1")
	if now, err := os.ReadFile(w.worker.notes.path("r2")); err != nil || !bytes.Equal(now, second) {
		t.Errorf("the journal of r2 is %s, %v", now, err)
	}
	w.stands("old", true)
}

// An agent that finds, after it was away, neither directory where the exchange left
// it starts nothing and removes nothing.
func TestDirectoriesThatWereMovedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.install(old, true)
	w.member(api.Restore{As: api.AsReplica})
	w.stage(newer)
	w.follow(api.GoalReady, api.GoalSwitch)
	w.setRunning(0) // the machine was started anew, and a person moved the data
	w.must(os.Rename(w.data, w.data+".new"), os.Rename(decide.StagedData(w.data, "r1"), w.data))
	w.open()
	w.before(func(method string) error {
		if method != "Probe" {
			w.violation("driver asked to %s", method)
		}
		return nil
	})
	w.follow(api.GoalCommit, api.GoalEnd)
	if j := w.journal(); j.State != api.PartStuck || j.Error.Fix == "" {
		t.Errorf("%s: %v", j.State, j.Error)
	}
	w.stands("old", false)
	if _, err := readToy(w.data + ".new"); err != nil {
		t.Error(err)
	}
}
