package runner

import (
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
)

// clock is one that several agents share.
type clock struct {
	mu   sync.Mutex
	now  time.Time // guarded by mu
	real time.Time // when now was set; guarded by mu
}

// at returns a clock that shows a time of a day now, and goes on.
func at(t *testing.T, text string) *clock {
	t.Helper()
	now, err := time.Parse("2006-01-02 15:04:05.9", "2026-11-22 "+text)
	if err != nil {
		t.Fatal(err)
	}
	return &clock{now: now, real: time.Now()}
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.Add(time.Since(c.real))
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// nightly is a schedule at two o'clock.
func nightly() api.Schedule { return api.Schedule{Name: "nightly", When: "0 2 * * *", Run: backup()} }

func (f *fleetOf) schedule(name string) api.Schedule {
	f.Helper()
	all, err := f.store.Schedules(f.ctx)
	f.must(err)
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	f.Fatalf("no schedule %s among %+v", name, all)
	return api.Schedule{}
}

// Of three agents that look at a schedule one starts its run.
func TestScheduleFiresOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fleetOf) {
		c := at(t, "01:00:00")
		agents := []*agent{f.idle("db1", c.read), f.idle("db2", c.read), f.idle("db3", c.read), f.idle("keep1", c.read)}
		s, err := agents[3].PutSchedule(f.ctx, nightly())
		f.must(err)
		for _, a := range agents {
			a.begin()
		}
		c.forward(f.schedule("nightly").NextDue.Sub(c.read()))
		const id = "nightly-20261122T020000Z"
		run := f.awaitPhase(id, api.RunComplete)
		if run.Schedule != "nightly" || run.Runner == "keep1" {
			t.Errorf("run %+v", run)
		}
		f.eventually("the schedule says so", func() bool { return f.schedule("nightly").LastRun == id })
		for _, a := range agents {
			a.stop()
		}
		runs, err := f.store.Runs(f.ctx)
		f.must(err)
		next := f.schedule("nightly")
		if len(runs) != 1 || !next.LastDue.Equal(s.NextDue) || !next.NextDue.Equal(s.NextDue.AddDate(0, 0, 1)) {
			t.Errorf("runs %+v, schedule %+v", runs, next)
		}
		if b, err := f.store.Backup(f.ctx, id); err != nil || b.Schedule != "nightly" {
			t.Errorf("backup %+v, %v", b, err)
		}
	})
}

// An agent that died after it had started the run, and before it said so, is not
// noticed: the run is not started again.
func TestScheduleGoesOnAfterADeath(t *testing.T) {
	f := newFleet(t, embedded(t))
	c := at(t, "01:59:00")
	a, b := f.idle("db1", c.read), f.idle("db2", c.read)
	s, err := a.PutSchedule(f.ctx, nightly())
	f.must(err)
	c.forward(time.Minute)
	id, err := a.start(f.ctx, s, s.NextDue)
	f.must(err)
	_, err = b.fireDue(f.ctx)
	f.must(err)
	runs, err := f.store.Runs(f.ctx)
	f.must(err)
	if s := f.schedule("nightly"); len(runs) != 1 || s.LastRun != id || id == "" {
		t.Errorf("runs %+v, schedule %+v", runs, s)
	}
}

// What is due while the last run is under way, was missed, is paused, or has no
// source is left out; a malformed schedule stops no other.
func TestSchedulesThatStartNothing(t *testing.T) {
	f := newFleet(t, embedded(t))
	c := at(t, "01:59:00")
	a := f.idle("db1", c.read)
	raw := redis.NewClient(&redis.Options{Addr: f.url[len("redis://"):]})
	defer raw.Close()
	f.must(raw.HSet(f.ctx, "rackswarm:{schedules}:records",
		"aaa", `{"name":"aaa","when":"whenever","run":{"database":"main"},"next_due":"2026-11-22T01:00:00Z"}`).Err())
	fire := func(forward time.Duration, want string) {
		t.Helper()
		c.forward(forward)
		next, err := a.fireDue(f.ctx)
		f.must(err)
		if next > a.pace.schedules || next < 0 {
			t.Errorf("looks again after %v", next)
		}
		if got := f.schedule("nightly"); got.LastRun != want || !got.NextDue.After(c.read()) {
			t.Errorf("at %v: %+v, want last run %q", c.read(), got, want)
		}
	}
	s, err := a.PutSchedule(f.ctx, nightly())
	f.must(err)
	fire(0, "")
	fire(4*time.Minute, "") // 02:03: missed
	fire(24*time.Hour-3*time.Minute, "nightly-20261123T020000Z")
	fire(24*time.Hour, "nightly-20261123T020000Z") // under way
	_, err = f.store.UpdateRun(f.ctx, "nightly-20261123T020000Z", func(r api.Run) (api.Run, error) {
		r.Phase = api.RunComplete
		return r, nil
	})
	f.must(err)
	paused := s
	paused.Paused = true
	_, err = a.PutSchedule(f.ctx, paused)
	f.must(err)
	fire(24*time.Hour, "nightly-20261123T020000Z")
	lost := nightly()
	lost.Run.Source = "keep1" // does not have it
	_, err = a.PutSchedule(f.ctx, lost)
	f.must(err)
	fire(24*time.Hour, "nightly-20261123T020000Z")
	again, err := a.PutSchedule(f.ctx, nightly())
	if err != nil || again.LastRun != "nightly-20261123T020000Z" || !again.CreatedAt.Equal(s.CreatedAt) {
		t.Errorf("put again: %+v, %v", again, err)
	}
	fire(24*time.Hour, "nightly-20261127T020000Z")
}

func TestPutSchedule(t *testing.T) {
	f := newFleet(t, embedded(t))
	a := f.idle("db1", nil)
	bad := nightly()
	bad.When = "soon"
	_, err := a.PutSchedule(f.ctx, bad)
	wantCode(t, err, api.CodeInvalid)
	bad = nightly()
	bad.Run.Database = "mian"
	_, err = a.PutSchedule(f.ctx, bad)
	wantCode(t, err, api.CodeNotFound)
	wantCode(t, a.DeleteSchedule(f.ctx, "nightly"), api.CodeNotFound)
	_, err = a.PutSchedule(f.ctx, nightly())
	f.must(err)
	f.must(a.DeleteSchedule(f.ctx, "nightly"))
}
