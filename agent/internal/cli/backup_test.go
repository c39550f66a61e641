package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/agent/internal/runner"
	"github.com/rackswarm/rackswarm/core/api"
)

// dbFleet is a fleet with the database main on three nodes, and other on one. It
// takes requests for runs; tests play the agents that work on them.
func dbFleet(t *testing.T, change ...func(*control.Config)) *fleet {
	t.Helper()
	takes := func(c *control.Config) {
		c.Databases = runner.New(runner.Config{Self: "web1", Store: c.Store, Now: func() time.Time { return noon }})
	}
	f := newFleet(t, append([]func(*control.Config){takes}, change...)...)
	for _, n := range []api.Node{
		{Name: "db1", Location: "ams1/r1", Databases: map[string]string{"main": "postgres"}},
		{Name: "db2", Location: "ams1/r2", Databases: map[string]string{"main": "postgres"}},
		{Name: "db3", Location: "fra1/r1", Databases: map[string]string{"main": "postgres", "other": "files"}},
		{Name: "web1", Location: "ams1/r1"},
	} {
		n.DataAddr, n.Version, n.LastSeen = "10.0.0.1:7420", "1.2.3", noon.Add(-3*time.Second)
		f.must(f.store.PutNode(f.Context(), n, time.Hour))
	}
	return f
}

// kept records a backup of main that was taken so long before noon.
func (f *fleet) kept(id string, age time.Duration, change ...func(*api.Backup)) api.Backup {
	f.Helper()
	b := api.Backup{ID: id, Database: "main", Digest: digestOf([]byte(id)), Node: "db1", Distribution: "backup-" + id,
		Content: api.BackupContent{Driver: "postgres", Engine: "PostgreSQL", Version: "15.18"}, SizeBytes: 3 << 20,
		Path: "/srv/backups/main/" + id, Copies: []string{"db3", "web1"}, TakenAt: noon.Add(-age), VerifiedAt: noon.Add(-age + time.Minute)}
	for _, c := range change {
		c(&b)
	}
	f.must(f.store.PutBackup(f.Context(), b))
	return b
}

// backup runs a command of rackswarm-backup.
func (f *fleet) backup(args ...string) result {
	f.Helper()
	return f.wait(f.launch(App.Backup, args))
}

func (f *fleet) backupOK(args ...string) string {
	f.Helper()
	r := f.backup(args...)
	if r.code != exitOK {
		f.Fatalf("%q ended with %d: %s", args, r.code, r.errOut)
	}
	return r.out
}

// backupFails is fails for rackswarm-backup; the command line is split at spaces.
func (f *fleet) backupFails(code int, words []string, line string) {
	f.Helper()
	f.failed(f.backup(strings.Fields(line)...), code, words...)
}

// someRun returns the run under way, waiting until there is one.
func (f *fleet) someRun() api.Run {
	f.Helper()
	var all []api.Run
	f.eventually("a run", func() bool {
		var err error
		all, err = f.store.Runs(f.Context())
		f.must(err)
		return len(all) > 0
	})
	return all[0]
}

// advance plays the runner.
func (f *fleet) advance(id string, change func(*api.Run)) {
	f.Helper()
	_, err := f.store.UpdateRun(f.Context(), id, func(r api.Run) (api.Run, error) {
		change(&r)
		return r, nil
	})
	f.must(err)
}

// tells plays a node.
func (f *fleet) tells(run, node string, state api.PartState, change ...func(*api.PartReport)) {
	f.Helper()
	p := api.PartReport{Node: node, State: state}
	for _, c := range change {
		c(&p)
	}
	f.must(f.store.PutPartReport(f.Context(), run, p))
}

func ends(phase api.RunPhase, e *api.Error) func(*api.Run) {
	return func(r *api.Run) { r.Phase, r.Error, r.FinishedAt = phase, e, noon.Add(90*time.Second) }
}

func TestTake(t *testing.T) {
	f := dbFleet(t)
	c := f.launch(App.Backup, strings.Fields("take main --node db1 --id t1 --copies 2 --on db3 --on web1 --keep-last 7 --keep-days 30"))
	f.says(c, "t1: planned")
	f.tells("t1", "db1", api.PartCapturing, func(p *api.PartReport) {
		p.Doing, p.Progress = "pg_basebackup", &api.Progress{Done: 1 << 20, Total: 4 << 20}
	})
	f.says(c, "db1 ams1/r1: source: capturing, pg_basebackup")
	f.tells("t1", "db1", api.PartCaptured)
	f.says(c, "source: captured")
	b := f.kept("t1", 0)
	f.advance("t1", func(r *api.Run) {
		r.Backup = &b
		ends(api.RunComplete, nil)(r)
	})
	r := f.wait(c)
	if r.code != exitOK {
		t.Fatalf("got %+v", r)
	}
	f.golden("take", r.out)
	want := api.RunRequest{ID: "t1", Database: "main", Source: "db1", Copies: &api.Copies{Count: 2, Path: "/srv/backups",
		Selector: api.Selector{NodeNames: []string{"db3", "web1"}, Labels: map[string]string{}}, KeepOnly: api.Retention{Last: 7, Days: 30}}}
	if got := f.someRun().Request; !sameJSON(f, got, want) {
		t.Errorf("asked for %+v", got)
	}
}

// The only node that has a database is the one to capture it on.
func TestTakeFindsTheNode(t *testing.T) {
	f := dbFleet(t)
	run := decode[api.Run](f, f.backupOK("take", "other", "--no-wait", "--copies", "1", "--json"))
	if run.Source.Node != "db3" || !strings.HasPrefix(run.ID, "other-20") {
		t.Errorf("got %+v", run)
	}
	f.advance(run.ID, ends(api.RunComplete, nil))
	if out := f.backupOK("take", "other", "--no-wait", "--copies", "1"); !strings.Contains(out, "rackswarm-backup status other-20") {
		t.Errorf("got %s", out)
	}
	f.backupFails(exitUsage, []string{"--node", "db1, db2, db3"}, "take main")
}

func sameJSON(f *fleet, a, b any) bool {
	f.Helper()
	return jsonOf(f, a) == jsonOf(f, b)
}

func TestInterruptedRunGoesOn(t *testing.T) {
	f := dbFleet(t)
	c := f.launch(App.Backup, strings.Fields("take main --node db1 --id t1"))
	f.says(c, "t1: planned")
	c.interrupt()
	f.failed(f.wait(c), exitInterrupted, "the run goes on without this command", "rackswarm-backup status t1 --wait", "rackswarm-backup abort t1")
	f.backupFails(exitFailed, []string{"t1: not finished", "the run goes on", "abort t1"}, "status t1 --wait --timeout 300ms")
	if run := f.someRun(); run.Aborting || run.Phase.Finished() {
		t.Errorf("the run has changed: %+v", run)
	}
}

// One replica is done, the next one gets its old data back: the rest is not
// touched, and the command says why.
func TestSeedThatIsPartial(t *testing.T) {
	f := dbFleet(t)
	c := f.launch(App.Backup, strings.Fields("seed main --from db1 --node db2 --node db3 --id s1"))
	f.says(c, "s1: planned")
	sick := &api.Error{Code: api.CodeUnhealthy, Subject: "/srv/pg/main/data", Message: "no connection to the primary", Fix: "see the log of the database"}
	f.tells("s1", "db1", api.PartEnded)
	f.tells("s1", "db2", api.PartCommitted, func(p *api.PartReport) {
		p.Health = &api.DatabaseHealth{Healthy: true, Replicating: true, LagBytes: 12 << 10}
	})
	f.tells("s1", "db3", api.PartRolledBack, func(p *api.PartReport) { p.Error = sick })
	f.says(c, "db3 fra1/r1: member: rolled back (/srv/pg/main/data: no connection to the primary)")
	f.advance("s1", ends(api.RunPartial, &api.Error{Code: api.CodeUnhealthy, Subject: "db3", Message: "did not become healthy"}))
	r := f.wait(c)
	f.failed(r, exitPartial, "s1: 1 of 2 nodes are done: db3: did not become healthy", "rackswarm-backup status s1")
	f.golden("seed-partial", r.out)
	if got := f.backupOK("status", "s1"); got != r.out {
		t.Errorf("status shows\n%s", got)
	}
}

// A node on which neither runs is named on its own.
func TestStuckNode(t *testing.T) {
	f := dbFleet(t)
	f.backupOK(strings.Fields("seed main --from db1 --node db2 --id s1 --no-wait")...)
	f.tells("s1", "db2", api.PartStuck, func(p *api.PartReport) { p.OldData = "/srv/pg/main/.rackswarm-s1/data" })
	f.advance("s1", ends(api.RunFailed, &api.Error{Code: api.CodeState, Subject: "db2", Message: "stuck", Fix: "go there"}))
	f.backupFails(exitFailed, []string{"s1: the run failed: db2: stuck", "Fix: go there", "db2: the database does not run", "/srv/pg/main/.rackswarm-s1/data"}, "status s1 --wait")
	f.tells("s1", "db2", api.PartStuck, func(p *api.PartReport) {
		p.Error = &api.Error{Code: api.CodeState, Subject: "db2", Message: "no database main any more", Fix: "nothing was deleted"}
	})
	f.backupFails(exitFailed, []string{"db2: a person is needed: no database main any more", "Fix: nothing was deleted"}, "status s1 --wait")
}

func TestAbort(t *testing.T) {
	f := dbFleet(t)
	f.backupOK(strings.Fields("take main --node db1 --id t1 --no-wait")...)
	c := f.launch(App.Backup, []string{"abort", "t1"})
	f.says(c, "planned, aborting")
	f.advance("t1", ends(api.RunAborted, &api.Error{Code: api.CodeAborted, Message: "aborted"}))
	if r := f.wait(c); r.code != exitOK || !strings.Contains(r.out, "aborted") {
		t.Errorf("got %+v", r)
	}
	// Who waits for the backup does not get it.
	f.backupFails(exitFailed, []string{"t1: the run failed: aborted"}, "status t1 --wait")
	if out := f.backupOK("forget", "t1"); out != "t1: forgotten\n" {
		t.Errorf("forget: %s", out)
	}
	f.backupFails(exitFailed, []string{"t1", "no run"}, "status t1")
}

// A restore without the primary cannot drop the slot there. The run is complete all
// the same, and is not shown like one that failed.
func TestWhatIsLeftIsNoError(t *testing.T) {
	f := dbFleet(t)
	f.kept("b1", 2*time.Hour)
	f.backupOK(strings.Fields("restore main --backup latest --as standalone --node db2 --id r1 --no-wait")...)
	f.tells("r1", "db2", api.PartCommitted, func(p *api.PartReport) {
		p.Doing = "cleaning up on the primary"
		p.Error = &api.Error{Code: api.CodeUnreachable, Subject: "primary db1:5432", Message: "psql: error: timeout expired", Fix: "check that it runs"}
	})
	f.advance("r1", ends(api.RunComplete, &api.Error{Code: api.CodeNodeLost, Subject: "db2", Message: "the slot is not yet dropped", Fix: "nothing needs doing"}))
	r := f.backup("status", "r1", "--wait")
	if r.code != exitOK || strings.Contains(strings.ToLower(r.out+r.errOut), "error") {
		t.Errorf("got %+v", r)
	}
	f.golden("restore-left", r.out)
	if out := f.backupOK("runs"); !strings.Contains(out, "left: db2: the slot is not yet dropped") {
		t.Errorf("runs:\n%s", out)
	}
	if run := decode[api.Run](f, f.backupOK("status", "r1", "--json")); run.Error == nil || run.Error.Fix == "" || run.Members[0].Report.Error == nil {
		t.Errorf("as JSON: %+v", run)
	}
}

func TestRestore(t *testing.T) {
	f := dbFleet(t)
	f.kept("b1", 26*time.Hour)
	f.kept("b2", 2*time.Hour)
	plan := "restore main --backup latest --as replica --location fra1 --location ams1/r2 --max-lag 1MiB --health-timeout 90s --allow-primary"
	f.golden("restore-plan", f.backupOK(strings.Fields(plan+" --dry-run")...))
	if all, err := f.store.Runs(t.Context()); err != nil || len(all) > 0 {
		t.Fatalf("a plan made %v, %v", all, err)
	}
	run := decode[api.Run](f, f.backupOK(strings.Fields(plan+" --no-wait --json --no-require-replica --force --max-unavailable 3")...))
	want := api.Restore{Selector: api.Selector{Locations: []string{"fra1", "ams1/r2"}, Labels: map[string]string{}}, As: api.AsReplica, AllowStopped: true, AllowPrimary: true,
		Force: true, MaxUnavailable: 3, MaxLagBytes: 1 << 20, HealthTimeout: 90}
	if !sameJSON(f, *run.Request.Restore, want) || run.Backup.ID != "b2" || run.Request.Backup != "latest" {
		t.Errorf("asked for %+v, backup %+v", run.Request.Restore, run.Backup)
	}
}

func TestSeedKeepsCopiesIfAsked(t *testing.T) {
	f := dbFleet(t)
	run := decode[api.Run](f, f.backupOK(strings.Fields("seed main --from db1 --node db2 --no-wait --json")...))
	if run.Request.Copies != nil || run.Request.Restore.As != api.AsReplica {
		t.Errorf("asked for %+v", run.Request)
	}
	f.advance(run.ID, ends(api.RunComplete, nil))
	run = decode[api.Run](f, f.backupOK(strings.Fields("seed main --from db1 --node db3 --copies 1 --on web1 --no-wait --json")...))
	if c := run.Request.Copies; c == nil || c.Count != 1 || !slices.Equal(c.Selector.NodeNames, []string{"web1"}) {
		t.Errorf("copies %+v", c)
	}
}

func TestRuns(t *testing.T) {
	f := dbFleet(t)
	f.backupOK(strings.Fields("take main --node db1 --id t1 --no-wait")...)
	f.backupFails(exitFailed, []string{"db1", "run t1 works on its database"}, "seed main --from db1 --node db2")
	f.advance("t1", func(r *api.Run) {
		r.Schedule = "nightly"
		ends(api.RunFailed, &api.Error{Code: api.CodeNoSpace, Subject: "/srv", Message: "too little space"})(r)
	})
	f.backupOK(strings.Fields("seed main --from db1 --node db2 --id t2 --no-wait")...)
	f.golden("runs", f.backupOK("runs"))
	if list := decode[api.RunList](f, f.backupOK("runs", "other", "--json")); len(list.Runs) != 0 {
		t.Errorf("runs of other: %+v", list)
	}
}

func TestBackupList(t *testing.T) {
	f := dbFleet(t)
	f.kept("b1", 26*time.Hour)
	f.kept("b2", 2*time.Hour, func(b *api.Backup) { b.VerifiedAt, b.Copies = time.Time{}, nil })
	f.kept("o1", 0, func(b *api.Backup) { b.Database, b.Content = "other", api.BackupContent{Driver: "files"} })
	f.golden("backups", f.backupOK("list"))
	if list := decode[api.BackupList](f, f.backupOK("list", "main", "--json")); len(list.Backups) != 2 {
		t.Errorf("of main: %+v", list)
	}
	f.backupFails(exitFailed, []string{"nope", "main, other"}, "list nope")
}
