package database

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/dbhost"
	"github.com/rackswarm/rackswarm/core/api"
)

// stale makes a replica that runs and cannot catch up: the log that it needs is
// gone from db1.
func (w *world) stale(name string) {
	w.Helper()
	ctx, db := w.Context(), w.db[name]
	w.must(db.InitReplica(ctx, "db1"), db.StopServer(ctx))
	w.forgetLog()
	w.must(db.StartServer(ctx))
}

// forgetLog has db1 throw away the log that nobody has asked it to keep.
func (w *world) forgetLog() {
	w.Helper()
	for range 6 {
		w.sql("db1", "SELECT pg_switch_wal()", "CREATE TABLE IF NOT EXISTS filler (n int)", "INSERT INTO filler VALUES (1)", "CHECKPOINT")
	}
}

// Two replicas are made from a primary that is written to: one where nothing was,
// one in the place of a replica that had lost touch. They switch one after the
// other, and a second time nothing is changed.
func TestSeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{names: []string{"db1", "db2", "db3"}, sabotaged: true, prepare: func(w *world) {
		w.stale("db3")
		w.run(w.db["db3"].Host, "touch "+dbhost.Data+"/of-the-old-data")
		w.noteSwitches("db2", "db3")
	}})
	load, err := w.db["db1"].StartLoad(w.Context())
	w.must(err)
	w.ok("seed", "main", "--from", "db1", "--node", "db2", "--node", "db3", "--id", "first")
	rows, err := load.Stop(w.Context())
	w.must(err)
	w.streams("db2", "db3")
	for _, name := range []string{"db2", "db3"} {
		w.catchesUp(name, rows)
		if old := w.run(w.db[name].Host, "ls "+dbhost.Data+"/of-the-old-data 2>/dev/null || true"); old != "" {
			t.Errorf("on %s the old data still stand", name)
		}
	}
	w.clean()
	if slots := w.slots(); strings.Count(slots, "rackswarm_member_") != 2 {
		t.Errorf("slots %s, want one for each member", slots)
	}
	w.oneByOne(w.record("first"))
	w.nothingChanges()
}

// switches is a file in which hosts note what their drivers are called for.
func (w *world) switches() string { return filepath.Join(w.set.Dir, "switches") }

// noteSwitches has hosts note when their databases are stopped, started, and
// looked at afterwards.
func (w *world) noteSwitches(names ...string) {
	w.Helper()
	for _, name := range names {
		for _, when := range []string{"before-Stop", "before-Start", "after-Health"} {
			w.sabotage(name, when, fmt.Sprintf("echo %s %s >>%s", name, when, w.switches()))
		}
	}
}

// oneByOne checks that a run switched its two members one after the other, both
// close behind the primary then.
func (w *world) oneByOne(r api.Run) {
	w.Helper()
	if r.Phase != api.RunComplete || r.Error != nil || len(r.Members) != 2 {
		w.Fatalf("run %+v", r)
	}
	want := ""
	for _, m := range r.Members {
		if h := m.Report.Health; m.Report.State != api.PartCommitted || h == nil || !h.Replicating || h.LagBytes > 16<<20 {
			w.Errorf("member %+v", m)
		}
		want += m.Node + " before-Stop\n" + m.Node + " before-Start\n" + m.Node + " after-Health\n"
	}
	text, err := os.ReadFile(w.switches())
	w.must(err)
	lines := slices.Compact(strings.SplitAfter(string(text), "\n")) // health is looked at several times
	if got := strings.Join(lines, ""); got != want {
		w.Errorf("the drivers did\n%swant\n%s", got, want)
	}
}

// nothingChanges seeds replicas that stream: they are left alone.
func (w *world) nothingChanges() {
	w.Helper()
	look := "stat -c %i " + dbhost.Data + "; head -n 1 " + dbhost.Data + "/postmaster.pid"
	before := w.run(w.db["db2"].Host, look) + w.run(w.db["db3"].Host, look) + w.slots()
	w.ok("seed", "main", "--from", "db1", "--node", "db2", "--node", "db3", "--id", "second")
	for _, m := range w.record("second").Members {
		if m.Report.State != api.PartSkipped {
			w.Errorf("member %+v", m)
		}
	}
	if after := w.run(w.db["db2"].Host, look) + w.run(w.db["db3"].Host, look) + w.slots(); after != before {
		w.Errorf("before %q, after %q", before, after)
	}
	w.clean()
}
