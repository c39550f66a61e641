package runner

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func (f *fleetOf) leads(a *agent, run string) *leader {
	return &leader{runner: a.Runner, id: run, watcher: f.store.Watch(f.ctx), moved: make(chan struct{}, 1), log: a.cfg.Logger}
}

// One of two holds the lease; who loses it ends, and the other leads.
func TestOneLeads(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fleetOf) {
		a, b := f.leads(f.idle("db1", nil), "r"), f.leads(f.idle("db2", nil), "r")
		take := func(l *leader, want bool) {
			t.Helper()
			held, err := l.take(f.ctx, time.Now().Add(patience))
			if f.must(err); held != want {
				t.Errorf("%s: held is %v", l.runner.cfg.Self, held)
			}
		}
		take(a, true)
		take(b, false)
		take(a, true)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.renew(f.ctx, time.Now().Add(a.runner.pace.lease))
		}()
		f.eventually("b has it, as the store lost it", func() bool {
			f.must(f.store.ReleaseLease(f.ctx, a.lease(), "db1"))
			held, err := b.take(f.ctx, time.Now().Add(patience))
			return err == nil && held
		})
		var keeps sync.WaitGroup
		ctx, cancel := context.WithCancel(f.ctx)
		keeps.Go(func() { b.renew(ctx, time.Now().Add(b.runner.pace.lease)) })
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("a believes that it leads")
		}
		cancel()
		keeps.Wait()
		take(a, false)
	})
}

// Without a store nobody believes to lead for longer than the lease.
func TestLeaseEndsWithoutStore(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fleetOf) {
		l := f.leads(f.idle("db1", nil), "r")
		if held, err := l.take(f.ctx, time.Now().Add(patience)); err != nil || !held {
			t.Fatalf("held %v, %v", held, err)
		}
		f.kill()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.renew(f.ctx, time.Now().Add(l.runner.pace.lease))
		}()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("it goes on")
		}
		f.restart()
	})
}

// A record that another has changed meanwhile is not overwritten: everything is
// decided anew.
func TestRecordIsSwapped(t *testing.T) {
	f := newFleet(t, embedded(t))
	a := f.idle("db1", nil)
	run, err := a.CreateRun(f.ctx, seed())
	f.must(err)
	l := f.leads(a, run.ID)
	_, err = a.AbortRun(f.ctx, run.ID)
	f.must(err)
	stale := run
	stale.Phase, stale.Runner = api.RunRolling, "db1"
	next, over, err := l.write(f.ctx, run, stale)
	if next != 0 || over || err != nil {
		t.Errorf("next %v, over %v, %v", next, over, err)
	}
	if r := f.run(run.ID); r.Phase != api.RunPlanned || !r.Aborting {
		t.Errorf("overwritten: %+v", r)
	}
	f.must(f.store.DeleteRun(f.ctx, run.ID))
	if _, over, err := l.turn(f.ctx); !over || err != nil {
		t.Errorf("of a deleted run: over %v, %v", over, err)
	}
}
