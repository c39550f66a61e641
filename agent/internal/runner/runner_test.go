package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// A backup is taken, used for a restore, and deleted; afterwards nothing is left
// that only the runs needed.
func TestBackupRestoreDelete(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fleetOf) {
		a := f.agent("db1", nil)
		req := backup()
		req.ID = "b1"
		run, err := a.CreateRun(f.ctx, req)
		f.must(err)
		if run.ID != "b1" || run.Phase != api.RunPlanned {
			t.Fatalf("created %+v", run)
		}
		f.awaitPhase("b1", api.RunComplete)
		b, err := f.store.Backup(f.ctx, "b1")
		f.must(err)
		if !slices.Equal(b.Copies, []string{"keep1", "keep2"}) || b.Digest != digestOf("b1") {
			t.Errorf("backup %+v", b)
		}
		d, err := a.VerifyBackup(f.ctx, "b1")
		f.must(err)
		if d.Name != b.Distribution || d.VerifyGeneration != 1 {
			t.Errorf("verified %+v", d)
		}

		run, err = a.CreateRun(f.ctx, api.RunRequest{Database: "main", Backup: "latest", Restore: seed().Restore})
		f.must(err)
		f.awaitPhase(run.ID, api.RunComplete)
		all, err := f.store.Distributions(f.ctx)
		f.must(err)
		if len(all) != 1 || all[0].Name != b.Distribution {
			t.Errorf("distributions %+v", all)
		}

		f.must(a.DeleteBackup(f.ctx, "b1"))
		f.eventually("nothing is left", func() bool {
			f.must(a.fleet.Finish(f.ctx))
			all, err := f.store.Distributions(f.ctx)
			artifacts, err2 := f.store.Artifacts(f.ctx)
			f.must(errors.Join(err, err2))
			return len(all)+len(artifacts) == 0
		})
		wantCode(t, a.DeleteBackup(f.ctx, "b1"), api.CodeNotFound)
	})
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != code || e.Fix == "" {
		t.Errorf("got %v, want %s", err, code)
	}
}

// A seed keeps no backup: its artifact goes, too.
func TestSeedLeavesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fleetOf) {
		a := f.agent("keep1", nil) // has no database, but was asked
		run, err := a.CreateRun(f.ctx, seed())
		f.must(err)
		r := f.awaitPhase(run.ID, api.RunComplete)
		if r.Members[0].Report.State != api.PartCommitted || r.Members[1].Report.State != api.PartCommitted || r.Runner != "keep1" {
			t.Errorf("run %+v", r)
		}
		all, err := f.store.Distributions(f.ctx)
		artifacts, err2 := f.store.Artifacts(f.ctx)
		if f.must(errors.Join(err, err2)); len(all)+len(artifacts) != 0 {
			t.Errorf("left: %+v, %+v", all, artifacts)
		}
	})
}

// Of two agents one leads; when it is killed in the middle, the other goes on.
func TestLeaderIsKilled(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fleetOf) {
		release := f.hold("db2", api.GoalSwitch)
		agents := map[string]*agent{"db1": f.agent("db1", nil), "db3": f.agent("db3", nil)}
		run, err := agents["db1"].CreateRun(f.ctx, seed())
		f.must(err)
		f.eventually("db2 is to switch", func() bool { return f.saw("db2", api.GoalSwitch) })
		for i := range 20 { // the other hears of each
			_, err := f.store.UpdateRun(f.ctx, run.ID, func(r api.Run) (api.Run, error) {
				r.UpdatedAt = time.Unix(int64(i), 0)
				return r, nil
			})
			f.must(err)
		}
		first := f.run(run.ID).Runner
		agents[first].kill()
		release()
		r := f.awaitPhase(run.ID, api.RunComplete)
		if r.Runner == first || agents[r.Runner] == nil {
			t.Errorf("led by %s after %s", r.Runner, first)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.led) > 8 { // two, unless the machine stands still for seconds
			t.Errorf("the lead changed hands: %q", f.led)
		}
	})
}

// An agent that ends hands its runs on at once, and goes on with them when it is
// back alone.
func TestLeaderStops(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fleetOf) {
		release := f.hold("db1", api.GoalCapture)
		a := f.agent("keep1", nil)
		run, err := a.CreateRun(f.ctx, backup())
		f.must(err)
		f.eventually("db1 is to capture", func() bool { return f.saw("db1", api.GoalCapture) })
		a.stop()
		held, err := f.store.Lease(f.ctx, "run/"+run.ID, "other", time.Millisecond)
		if f.must(err); !held {
			t.Error("the lease was not released")
		}
		release()
		f.agent("keep1", nil) // it finds its name in the record
		f.awaitPhase(run.ID, api.RunComplete)
	})
}

func TestAbort(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fleetOf) {
		f.hold("db2", api.GoalSwitch)
		a, b := f.agent("db1", nil), f.idle("keep2", nil)
		run, err := a.CreateRun(f.ctx, seed())
		f.must(err)
		f.eventually("db2 is to switch", func() bool { return f.saw("db2", api.GoalSwitch) })
		wantCode(t, b.DeleteRun(f.ctx, run.ID), api.CodeInUse)
		if run, err = b.AbortRun(f.ctx, run.ID); err != nil || !run.Aborting {
			t.Fatalf("aborted: %+v, %v", run, err)
		}
		r := f.awaitPhase(run.ID, api.RunAborted)
		if r.Members[0].Report.State != api.PartRolledBack || f.saw("db3", api.GoalSwitch) {
			t.Errorf("run %+v", r)
		}
		again, err := b.AbortRun(f.ctx, run.ID)
		if f.must(err); again.Generation != r.Generation {
			t.Errorf("aborted again: %+v", again)
		}
		f.must(b.DeleteRun(f.ctx, run.ID))
		_, err = b.AbortRun(f.ctx, run.ID)
		wantCode(t, err, api.CodeNotFound)
	})
}

// A run waits for the store, and goes on.
func TestStoreOutage(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fleetOf) {
		release := f.hold("db1", api.GoalCapture)
		a := f.agent("db1", nil)
		f.agent("db2", nil)
		run, err := a.CreateRun(f.ctx, backup())
		f.must(err)
		f.eventually("db1 is to capture", func() bool { return f.saw("db1", api.GoalCapture) })
		f.kill()
		_, err = a.CreateRun(f.ctx, backup())
		if !errors.Is(err, store.ErrUnreachable) {
			t.Errorf("without a store: %v", err)
		}
		release()
		f.restart()
		f.awaitPhase(run.ID, api.RunComplete)
	})
}

// A distribution that cannot be made ends the run, and says why.
func TestRefusedDistribution(t *testing.T) {
	f := newFleet(t, embedded(t))
	f.must(f.store.PutArtifact(f.ctx, api.Artifact{Digest: digestOf("x"), Kind: "tree"}))
	a := f.agent("db1", nil)
	_, err := a.fleet.Put(f.ctx, api.Distribution{Name: "other", Digest: digestOf("x"), Path: "/srv/backups"})
	f.must(err)
	run, err := a.CreateRun(f.ctx, backup())
	f.must(err)
	r := f.awaitPhase(run.ID, api.RunFailed)
	if r.Error == nil || r.Error.Code != api.CodeConflict || len(r.Distributions) != 0 {
		t.Errorf("run %+v", r)
	}
	if all, err := f.store.Artifacts(f.ctx); err != nil || len(all) != 1 {
		t.Errorf("the capture's artifact is left: %+v, %v", all, err)
	}
}

// A distribution that was put when the run had done with it is taken back.
func TestLateDistributionIsTakenBack(t *testing.T) {
	f := newFleet(t, embedded(t))
	a := f.idle("db1", nil)
	f.must(f.store.PutArtifact(f.ctx, api.Artifact{Digest: digestOf("x"), Kind: "tree"}))
	d := api.Distribution{Name: "restore-r-1", Digest: digestOf("x"), Path: "/srv/x", AllowEmpty: true, Selector: api.Selector{NodeNames: []string{"db1"}}}
	l := &leader{runner: a.Runner, id: "r"}
	none := func(what string) {
		t.Helper()
		if all, err := f.store.Distributions(f.ctx); err != nil || len(all) != 0 {
			t.Errorf("%s: %+v, %v", what, all, err)
		}
	}
	f.must(l.put(f.ctx, d))
	none("the run is deleted")
	run, _, err := f.store.CreateRun(f.ctx, api.Run{ID: "r", Distributions: []string{"restore-r-2"}})
	f.must(err)
	f.must(l.put(f.ctx, d))
	none("the run has done with it")
	run.Distributions = []string{d.Name}
	run, err = f.store.PutRun(f.ctx, run)
	f.must(err)
	f.must(l.put(f.ctx, d))
	if all, err := f.store.Distributions(f.ctx); err != nil || len(all) != 1 {
		t.Errorf("wanted: %+v, %v", all, err)
	}
	done := run
	done.Distributions = nil
	f.must(l.letGo(f.ctx, run, done))
	none("another agent put it again")
}

// Who asks twice gets the same run; who asks for something else under its name,
// or for the same nodes, is refused.
func TestCreateRunAgain(t *testing.T) {
	f := newFleet(t, embedded(t))
	a, b := f.idle("db1", nil), f.idle("keep1", nil)
	req := backup()
	req.ID = "b1"
	run, err := a.CreateRun(f.ctx, req)
	f.must(err)
	again, err := b.CreateRun(f.ctx, req)
	if err != nil || again.ID != run.ID || !again.CreatedAt.Equal(run.CreatedAt) || again.Generation != 1 {
		t.Errorf("again: %+v, %v", again, err)
	}
	other := req
	other.Copies = &api.Copies{Count: 1, Path: "/srv/backups"}
	_, err = b.CreateRun(f.ctx, other)
	wantCode(t, err, api.CodeConflict)
	other.ID = ""
	_, err = b.CreateRun(f.ctx, other)
	wantCode(t, err, api.CodeConflict)
	_, err = b.CreateRun(f.ctx, api.RunRequest{Database: "none", Source: "db1"})
	wantCode(t, err, api.CodeInvalid)
}

// Of many who start a run of the same nodes at the same time, one does.
func TestCreateRunsAtOnce(t *testing.T) {
	f := newFleet(t, embedded(t))
	var wg sync.WaitGroup
	errs := make([]error, len(f.nodes))
	for i, node := range f.nodes {
		a := f.idle(node, nil)
		wg.Go(func() {
			req := backup()
			req.ID = fmt.Sprint("b", i)
			_, errs[i] = a.CreateRun(f.ctx, req)
		})
	}
	wg.Wait()
	created := 0
	for _, err := range errs {
		if err == nil {
			created++
			continue
		}
		wantCode(t, err, api.CodeConflict)
	}
	if runs, err := f.store.Runs(f.ctx); created != 1 || len(runs) != 1 || err != nil {
		t.Errorf("%d were told that theirs is created; there are %+v, %v", created, runs, err)
	}
}

// A backup is not deleted while a run restores it.
func TestBackupInUse(t *testing.T) {
	f := newFleet(t, embedded(t))
	release := f.hold("db2", api.GoalReady)
	a := f.agent("db1", nil)
	taken, err := a.CreateRun(f.ctx, backup())
	f.must(err)
	f.awaitPhase(taken.ID, api.RunComplete)
	run, err := a.CreateRun(f.ctx, api.RunRequest{Database: "main", Backup: taken.ID, Restore: seed().Restore})
	f.must(err)
	wantCode(t, a.DeleteBackup(f.ctx, taken.ID), api.CodeInUse)
	l := &leader{runner: a.Runner, id: "other", log: a.cfg.Logger}
	f.must(l.deleteBackup(f.ctx, taken.ID)) // leaves it
	_, err = f.store.Backup(f.ctx, taken.ID)
	f.must(err)
	release()
	f.awaitPhase(run.ID, api.RunComplete)
	f.must(a.DeleteBackup(f.ctx, taken.ID))
}

func TestOldRunsAreForgotten(t *testing.T) {
	f := newFleet(t, embedded(t))
	for id, r := range map[string]api.Run{
		"old":      {Phase: api.RunComplete, Request: api.RunRequest{Database: "main"}, FinishedAt: time.Now().AddDate(0, -2, 0)},
		"new":      {Phase: api.RunComplete, Request: api.RunRequest{Database: "main"}, FinishedAt: time.Now()},
		"others'":  {Phase: api.RunComplete, Request: api.RunRequest{Database: "x"}, FinishedAt: time.Now().AddDate(0, -2, 0)},
		"underway": {Phase: api.RunRolling, Request: api.RunRequest{Database: "x"}},
	} {
		r.ID = id
		_, _, err := f.store.CreateRun(f.ctx, r)
		f.must(err)
	}
	f.agent("db1", nil)
	f.eventually("the old run is gone", func() bool {
		runs, err := f.store.Runs(f.ctx)
		f.must(err)
		return len(runs) == 3
	})
	_, err := f.store.Run(context.Background(), "old")
	wantCode(t, err, api.CodeNotFound)
}
