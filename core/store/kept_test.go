package store_test

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// TestEmbeddedKeepsDatabases: runs, what their parts reported, backups and
// schedules stand after a restart; a lease does not.
func TestEmbeddedKeepsDatabases(t *testing.T) {
	t.Parallel()
	cfg := store.EmbeddedConfig{Listen: "127.0.0.1:0", StateFile: filepath.Join(t.TempDir(), "store.json")}
	ctx := t.Context()
	e := start(t, cfg)
	s := open(t, store.Config{URL: "redis://" + e.Addr(), Prefix: "fleet"})
	for _, id := range []string{"stays", "goes"} {
		_, _, err := s.CreateRun(ctx, api.Run{ID: id, Source: &api.RunPart{Node: "a"}})
		must(t, err)
		must(t, s.PutPartReport(ctx, id, api.PartReport{Node: "a", State: api.PartProbed}))
		must(t, s.PutBackup(ctx, api.Backup{ID: id}))
		must(t, s.UpdateSchedule(ctx, id, func(*api.Schedule) (*api.Schedule, error) { return &api.Schedule{}, nil }))
	}
	must(t, s.DeleteRun(ctx, "goes"))
	must(t, s.DeleteBackup(ctx, "goes"))
	must(t, s.DeleteSchedule(ctx, "goes"))
	run, err := s.Run(ctx, "stays")
	must(t, err)
	run, err = s.PutRun(ctx, run)
	must(t, err)
	_, err = s.Lease(ctx, "one", "a", time.Hour)
	must(t, err)
	must(t, e.Close())

	s = open(t, store.Config{URL: "redis://" + start(t, cfg).Addr(), Prefix: "fleet"})
	again, err := s.Run(ctx, "stays")
	must(t, err)
	if !reflect.DeepEqual(again, run) || again.Source.Report.State != api.PartProbed {
		t.Errorf("run: got %+v, want %+v as before", again, run)
	}
	_, err = s.PutRun(ctx, again)
	must(t, err)
	runs, err := s.Runs(ctx)
	must(t, err)
	reports, err := s.PartReports(ctx, "goes")
	must(t, err)
	backups, err := s.Backups(ctx)
	must(t, err)
	schedules, err := s.Schedules(ctx)
	must(t, err)
	if len(runs) != 1 || len(reports) != 0 || len(backups) != 1 || len(schedules) != 1 {
		t.Errorf("got runs %+v, reports of the deleted %+v, backups %+v, schedules %+v", runs, reports, backups, schedules)
	}
	if held, err := s.Lease(ctx, "one", "b", time.Hour); err != nil || !held {
		t.Errorf("the lease: held %v, %v", held, err)
	}
}

// TestNewRunHasNoReports: those of an older run of the same ID that a server was
// killed over do not count.
func TestNewRunHasNoReports(t *testing.T) {
	t.Parallel()
	e, ctx := start(t, store.EmbeddedConfig{Listen: "127.0.0.1:0"}), t.Context()
	s := open(t, store.Config{URL: "redis://" + e.Addr()})
	raw := redis.NewClient(&redis.Options{Addr: e.Addr()})
	defer raw.Close()
	must(t, raw.HSet(ctx, "rackswarm:{runs}:reports:one", "a", `{"node":"a","state":"failed"}`).Err())
	_, _, err := s.CreateRun(ctx, api.Run{ID: "one"})
	must(t, err)
	if reports, err := s.PartReports(ctx, "one"); err != nil || len(reports) != 0 {
		t.Errorf("got %+v, %v", reports, err)
	}
}

// TestSpoiltRecords: what does not decode, or speaks of another, hides nothing
// else and can be deleted.
func TestSpoiltRecords(t *testing.T) {
	t.Parallel()
	e, ctx := start(t, store.EmbeddedConfig{Listen: "127.0.0.1:0"}), t.Context()
	s := open(t, store.Config{URL: "redis://" + e.Addr()})
	_, _, err := s.CreateRun(ctx, api.Run{ID: "sound", Members: []api.RunPart{{Node: "a"}}})
	must(t, err)
	must(t, s.PutPartReport(ctx, "sound", api.PartReport{Node: "a", State: api.PartProbed}))
	must(t, s.PutBackup(ctx, api.Backup{ID: "sound"}))
	sound := func(old *api.Schedule) (*api.Schedule, error) {
		if old != nil {
			t.Errorf("a spoilt schedule counts as %+v", old)
		}
		return &api.Schedule{When: "@daily"}, nil
	}
	must(t, s.UpdateSchedule(ctx, "sound", sound))
	raw := redis.NewClient(&redis.Options{Addr: e.Addr()})
	defer raw.Close()
	for _, hash := range []string{"{runs}:records", "{runs}:reports:sound", "{backups}:records", "{schedules}:records"} {
		for field, record := range map[string]string{
			"no JSON": "1 {", "nothing": "", "array": "1 []", "another's": `1 {"id":"sound","node":"a","name":"sound"}`, "bare": `{"id":"sound"}`,
		} {
			must(t, raw.HSet(ctx, "rackswarm:"+hash, field, record).Err())
		}
	}

	runs, err := s.Runs(ctx)
	must(t, err)
	run, err := s.Run(ctx, "sound")
	must(t, err)
	backups, err := s.Backups(ctx)
	must(t, err)
	schedules, err := s.Schedules(ctx)
	must(t, err)
	if len(runs) != 1 || len(backups) != 1 || len(schedules) != 1 || run.Members[0].Report.State != api.PartProbed {
		t.Errorf("got runs %+v, backups %+v, schedules %+v, run %+v", runs, backups, schedules, run)
	}
	for _, id := range []string{"no JSON", "another's"} {
		if run, err := s.Run(ctx, id); err == nil {
			t.Errorf("the run %q is read as %+v", id, run)
		}
		if backup, err := s.Backup(ctx, id); err == nil {
			t.Errorf("the backup %q is read as %+v", id, backup)
		}
		must(t, s.DeleteRun(ctx, id))
		must(t, s.DeleteBackup(ctx, id))
	}
	must(t, s.DeleteSchedule(ctx, "another's"))
	must(t, s.UpdateSchedule(ctx, "no JSON", sound))
}
