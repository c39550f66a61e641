package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
)

func jsonOf(f *fleet, v any) string {
	f.Helper()
	text, err := json.Marshal(v)
	f.must(err)
	return string(text)
}

// copied is a fleet with a backup whose copies are on two nodes.
func copied(t *testing.T) *fleet {
	t.Helper()
	f := dbFleet(t)
	f.artifact("b1")
	b := f.kept("b1", time.Hour)
	f.must(f.store.UpdateDistributions(t.Context(), func(map[string]api.Distribution) ([]api.Distribution, []string, error) {
		return []api.Distribution{{Name: b.Distribution, Digest: b.Digest, Path: b.Path, Selector: api.Selector{NodeNames: b.Copies}, Generation: 1, State: api.StatePresent}}, nil, nil
	}))
	for _, node := range b.Copies {
		f.report(b.Distribution, node, api.PhaseInstalled)
	}
	return f
}

// verifies has the nodes answer the request to verify that comes.
func (f *fleet) verifies(c *call, change map[string]func(*api.NodeStatus)) result {
	f.Helper()
	f.eventually("the request", func() bool { return f.distribution("backup-b1").VerifyGeneration == 1 })
	for _, node := range []string{"db3", "web1"} {
		fn := change[node]
		if fn == nil {
			fn = func(*api.NodeStatus) {}
		}
		f.report("backup-b1", node, api.PhaseInstalled, fn)
	}
	return f.wait(c)
}

func TestVerifyBackup(t *testing.T) {
	f := copied(t)
	r := f.verifies(f.launch(App.Backup, []string{"verify", "b1"}), nil)
	if r.code != exitOK {
		t.Fatalf("got %+v", r)
	}
	f.golden("verify-backup", r.out)
}

func TestVerifyFindsDamage(t *testing.T) {
	f := copied(t)
	r := f.verifies(f.launch(App.Backup, []string{"verify", "b1", "--json"}), map[string]func(*api.NodeStatus){
		"db3": func(s *api.NodeStatus) { s.Repaired = 1 },
	})
	v := decode[verification](f, r.out)
	if e := decode[api.ErrorBody](f, r.errOut).Error; r.code != exitFailed || e.Code != api.CodeCorrupt || !strings.Contains(e.Message, "db3") {
		t.Errorf("got %+v", r)
	}
	if v.Copies[0].Result != copyIntact || v.Copies[1].Result != copyMended {
		t.Errorf("found %+v", v)
	}
}

// Damage that nobody can mend is not waited for.
func TestVerifyOfTheLastCopy(t *testing.T) {
	f := copied(t)
	broken := func(s *api.NodeStatus) {
		s.Phase, s.Drifted, s.BytesDone, s.Waiting = api.PhaseFetching, true, 1<<20, "no peer is connected"
	}
	r := f.verifies(f.launch(App.Backup, []string{"verify", "b1"}), map[string]func(*api.NodeStatus){"db3": broken, "web1": broken})
	f.failed(r, exitFailed, "2 copies (web1, db3) were damaged, and no other copy is intact", "take another backup")
}

// A copy on a node that is down is not called intact.
func TestVerifyWithoutANode(t *testing.T) {
	f := copied(t)
	f.must(f.store.RemoveNode(t.Context(), "db3"))
	r := f.verifies(f.launch(App.Backup, []string{"verify", "b1"}), map[string]func(*api.NodeStatus){
		"db3": func(s *api.NodeStatus) { s.Verified = 0 },
	})
	f.failed(r, exitPartial, "the copy on db3 was not verified", "rackswarm-backup verify b1")
}

func TestVerifyOfNothing(t *testing.T) {
	copied(t).backupFails(exitFailed, []string{"nope", "no backup"}, "verify nope")
}

func TestPrune(t *testing.T) {
	f := dbFleet(t)
	day := 24 * time.Hour
	unverified := func(b *api.Backup) { b.VerifiedAt = time.Time{} }
	f.kept("b1", 40*day)
	f.kept("b2", 30*day)
	f.kept("b3", 20*day, unverified)
	f.kept("b4", 3*day, unverified)
	f.kept("b5", 2*day, unverified)
	f.kept("o1", 90*day, func(b *api.Backup) { b.Database = "other" })
	f.backupOK(strings.Fields("restore main --backup b1 --as replica --node db2 --id r1 --no-wait")...)

	plan := strings.Fields("prune main --keep-last 1 --keep-days 7")
	f.golden("prune-plan", f.backupOK(append(plan, "--dry-run")...))
	f.golden("prune", f.backupOK(plan...))
	left, err := f.store.Backups(t.Context())
	f.must(err)
	if len(left) != 5 {
		t.Errorf("%d are left", len(left))
	}
	// The only one that was verified stays, whatever the numbers say.
	f.advance("r1", ends(api.RunComplete, nil))
	f.backupOK("prune", "main", "--keep-last", "1")
	left, err = f.store.Backups(t.Context())
	f.must(err)
	if len(left) != 3 || left[0].ID != "b5" || left[1].ID != "b2" || left[2].ID != "o1" {
		t.Errorf("left are %+v", left)
	}
}

// racing starts a restore of a backup just before another one is deleted.
type racing struct {
	control.Databases
	backup string
}

func (r racing) DeleteBackup(ctx context.Context, id string) error {
	_, err := r.CreateRun(ctx, api.RunRequest{ID: "r9", Database: "main", Backup: r.backup,
		Restore: &api.Restore{Selector: api.Selector{NodeNames: []string{"db2"}}, As: api.AsReplica}})
	return errors.Join(err, r.Databases.DeleteBackup(ctx, id))
}

// A backup that a run began to use meanwhile is not deleted, which is said; the
// others are.
func TestPruneOfWhatIsNeeded(t *testing.T) {
	f := dbFleet(t, func(c *control.Config) { c.Databases = racing{c.Databases, "b1"} })
	f.kept("b1", 50*time.Hour)
	f.kept("b2", 49*time.Hour)
	f.kept("b3", time.Hour)
	r := f.backup("prune", "main", "--keep-last", "1")
	f.failed(r, exitFailed, "b1: run r9 needs the backup")
	if left, err := f.store.Backups(t.Context()); err != nil || len(left) != 2 || left[0].ID != "b3" || left[1].ID != "b1" || !strings.Contains(r.out, "deleted") {
		t.Errorf("left are %+v, %v; %s", left, err, r.out)
	}
}

func TestSchedule(t *testing.T) {
	f := dbFleet(t)
	out := f.backupOK("schedule", "set", "nightly", "--when", "0 2 * * *", "--time-zone", "Europe/Berlin", "take", "main", "--node", "db1", "--keep-last", "7")
	if out != "nightly: next at 2026-01-03 02:00 CET\n" {
		t.Errorf("set: %s", out)
	}
	f.backupOK("schedule", "set", "rehearsal", "restore", "main", "--backup", "latest", "--as", "standalone", "--node", "db3", "--when", "@weekly", "--paused")
	f.golden("schedules", f.backupOK("schedule", "list"))
	list := decode[api.ScheduleList](f, f.backupOK("schedule", "list", "--json"))
	if run := list.Schedules[0].Run; run.Copies.KeepOnly.Last != 7 || run.Source != "db1" || run.Restore != nil {
		t.Errorf("nightly does %+v", run)
	}
	f.backupOK("schedule", "pause", "nightly")
	if all, _ := f.store.Schedules(t.Context()); !all[0].Paused || all[0].Run.Source != "db1" {
		t.Errorf("paused: %+v", all[0])
	}
	f.backupOK("schedule", "resume", "nightly")
	f.backupOK("schedule", "rm", "nightly")
	f.backupFails(exitFailed, []string{"nightly", "no such schedule", "rehearsal"}, "schedule pause nightly")
	f.backupFails(exitFailed, []string{"nightly", "no schedule"}, "schedule rm nightly")
}

// Each mistake names the flag and what to write; nothing is started.
func TestBadCommandLinesOfBackups(t *testing.T) {
	f := dbFleet(t)
	f.kept("b1", time.Hour)
	for _, c := range []struct {
		line  string
		code  int
		words []string
	}{
		{"take", exitUsage, []string{"takes one DATABASE"}},
		{"take nope", exitFailed, []string{"nope", "there are: main, other"}},
		{"take main --node db1 --node db2", exitUsage, []string{"--node", "db1 and db2"}},
		{"take main --node web1", exitFailed, []string{"--node", "web1", "db1, db2, db3"}},
		{"take main --node web9", exitFailed, []string{"--node", "web9"}},
		{"take main --node db1 --copies 9", exitFailed, []string{"--copies", "9 copies"}},
		{"take main --node db1 --copies 0", exitFailed, []string{"--copies", "is 0"}},
		{"take main --node db1 --path srv", exitFailed, []string{"--path", "not absolute"}},
		{"take main --node db1 --keep-last -1", exitFailed, []string{"--keep-last"}},
		{"take main --node db1 --label x", exitUsage, []string{"--label", "key=value"}},
		{"take main --node db1 --id a/b", exitFailed, []string{"--id", "not a name"}},
		{"restore main --node db2", exitUsage, []string{"as", "backup"}},
		{"restore main --backup b1 --as replica", exitUsage, []string{"--node", "--location"}},
		{"restore main --backup b1 --as boss --node db2", exitFailed, []string{"--as", "boss"}},
		{"restore main --backup b9 --as replica --node db2", exitFailed, []string{"--backup", "b9", "b1"}},
		{"restore other --backup latest --as replica --node db3", exitFailed, []string{"--backup", "no backup of database other"}},
		{"restore main --backup b1 --as replica --node db2 --max-lag much", exitUsage, []string{"--max-lag", "much", "16MiB"}},
		{"restore main --backup b1 --as replica --node db2 --max-unavailable 0", exitUsage, []string{"--max-unavailable"}},
		{"restore main --backup b1 --as replica --node db2 --health-timeout 0s", exitUsage, []string{"--health-timeout"}},
		{"restore main --backup b1 --as replica --node db2 --health-timeout 25h", exitFailed, []string{"--health-timeout"}},
		{"restore main --backup b1 --as replica --node web1 --dry-run", exitFailed, []string{"--node", "web1"}},
		{"seed main --node db2", exitUsage, []string{"from"}},
		{"seed main --from db1 --node db1", exitFailed, []string{"no other node"}},
		{"seed main --from web1 --node db1", exitFailed, []string{"--from", "web1"}},
		{"prune main", exitUsage, []string{"--keep-last", "--keep-days"}},
		{"prune main --keep-days -3", exitUsage, []string{"--keep-last"}},
		{"prune nope --keep-last 1", exitFailed, []string{"nope", "main, other"}},
		{"status nope", exitFailed, []string{"nope", "no run"}},
		{"abort nope", exitFailed, []string{"nope", "no run"}},
		{"schedule set nightly take main --node db1", exitUsage, []string{"when"}},
		{"schedule set nightly --when @daily seed main", exitUsage, []string{"take or restore"}},
		{"schedule set nightly --when often take main --node db1", exitFailed, []string{"--when", "often"}},
		{"schedule set nightly --when @daily --time-zone Mars take main --node db1", exitFailed, []string{"--time-zone", "Mars"}},
		{"schedule set nightly --when @daily take main --node db1 --as replica", exitUsage, []string{"--as", "no flag of take"}},
		{"schedule set nightly --when @daily restore main --node db1 --as replica", exitUsage, []string{"--backup"}},
		{"schedule set a/b --when @daily take main --node db1", exitFailed, []string{"not a name"}},
	} {
		t.Run(c.line, func(t *testing.T) {
			inner := *f
			inner.T = t
			inner.backupFails(c.code, c.words, c.line)
		})
	}
	if all, err := f.store.Runs(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("started %+v, %v", all, err)
	}
}

func TestCompletionOfBackups(t *testing.T) {
	f := dbFleet(t)
	f.kept("b1", time.Hour)
	f.backupOK(strings.Fields("take main --node db1 --id t1 --no-wait")...)
	f.backupOK("schedule", "set", "nightly", "--when", "@daily", "take", "main", "--node", "db1")
	for line, words := range map[string][]string{
		"take ":                          {"main\ton db1, db2, db3", "other"},
		"take main --node ":              {"db1\tams1/r1", "web1"},
		"restore main --backup ":         {"latest", "b1"},
		"restore main --as ":             {"replica", "standalone"},
		"verify ":                        {"b1\tmain"},
		"status ":                        {"t1\ttake main, planned"},
		"schedule pause ":                {"nightly\t@daily"},
		"schedule set nightly ":          {"take", "restore"},
		"schedule set nightly take ":     {"main"},
		"schedule set nightly --backup ": {"latest"},
	} {
		out := f.backupOK(append([]string{"__complete"}, strings.Split(line, " ")...)...)
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("%q does not offer %q:\n%s", line, w, out)
			}
		}
	}
}

func TestVersionOfBackup(t *testing.T) {
	f := dbFleet(t)
	if out := f.backupOK("version"); !strings.HasPrefix(out, "rackswarm-backup "+Version) {
		t.Errorf("got %s", out)
	} else if flag := f.backupOK("--version"); flag != out {
		t.Errorf("--version says %s, and version %s", flag, out)
	}
}
