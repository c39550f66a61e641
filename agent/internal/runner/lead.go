package runner

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/store"
)

// leader leads one run while it holds its lease.
type leader struct {
	runner  *Runner
	id      string
	watcher *store.Watcher
	moved   chan struct{} // holds one value when there is something new
	log     *slog.Logger

	names   []string                      // of the distributions that the run has; of work
	hearing map[string]context.CancelFunc // by distribution whose statuses are heard of; of work
	passing sync.WaitGroup                // what hearing ends
}

func (l *leader) kick() { kick(l.moved) }

func (l *leader) lease() string { return "run/" + l.id }

// compete tries to get the lease, and leads, until the run has ended or ctx ends.
func (l *leader) compete(ctx context.Context) {
	p := l.runner.pace
	for {
		began := time.Now()
		held, err := l.take(ctx, began.Add(storeTimeout))
		next := p.compete + rand.N(p.compete)
		switch {
		case err != nil:
			l.log.Log(ctx, outageLevel(err), "the run's lease is not taken; trying again", "error", err)
			next = p.retry
		case held && l.lead(ctx, began.Add(p.lease)):
			return
		}
		if !wait(ctx, next, nil) {
			return
		}
	}
}

func (l *leader) take(ctx context.Context, deadline time.Time) (bool, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return l.runner.cfg.Store.Lease(ctx, l.lease(), l.runner.cfg.Self, l.runner.pace.lease)
}

// lead works on the run while this agent holds the lease, which it does until
// then. over says that there is nothing left to lead.
func (l *leader) lead(ctx context.Context, until time.Time) (over bool) {
	held, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		defer cancel()
		l.renew(held, until)
	})
	l.watcher.AddRun(l.id)
	l.hearing = map[string]context.CancelFunc{}
	over = l.work(held)
	l.watcher.RemoveRun(l.id)
	cancel() // also what is heard of
	renewing.Wait()
	l.passing.Wait()
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer done()
	if err := l.runner.cfg.Store.ReleaseLease(ctx, l.lease(), l.runner.cfg.Self); err != nil {
		l.log.Debug("the run's lease is left to expire", "error", err)
	}
	return over
}

// renew holds the lease until it is lost or ctx ends.
func (l *leader) renew(ctx context.Context, until time.Time) {
	p := l.runner.pace
	for next := p.lease / 3; wait(ctx, next, nil); {
		began := time.Now()
		held, err := l.take(ctx, until)
		switch {
		case err == nil && held:
			until, next = began.Add(p.lease), p.lease/3
		case err == nil:
			l.log.Warn("another agent leads the run now")
			return
		case !time.Now().Before(until):
			l.log.Warn("the run's lease could not be renewed; another agent may lead it", "error", err)
			return
		default:
			next = min(p.retry, time.Until(until))
		}
	}
}

// work takes turns until the run has ended, and reports that, or ctx ends.
func (l *leader) work(ctx context.Context) (over bool) {
	p := l.runner.pace
	for {
		began := time.Now()
		next, over, err := l.turn(ctx)
		if over {
			return true
		}
		l.hear(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return false
			}
			l.log.Log(ctx, outageLevel(err), "the run does not go on; trying again", "error", err)
			next = p.retry
		}
		// What many parts report comes together; reading it all takes the store some
		// time, of which one run gets a fifth at most.
		if !wait(ctx, max(p.rest, min(4*time.Since(began), p.turn)), nil) || !wait(ctx, min(next, p.turn), l.moved) {
			return false
		}
	}
}

// hear wakes the leader when nodes report on the run's distributions.
func (l *leader) hear(ctx context.Context) {
	wanted := map[string]bool{}
	for _, name := range l.names {
		wanted[name] = true
		if l.hearing[name] != nil {
			continue
		}
		hearing, cancel := context.WithCancel(ctx)
		l.hearing[name] = cancel
		hints := l.runner.cfg.Store.StatusHints(hearing, name)
		l.passing.Go(func() { l.pass(hearing, hints) })
	}
	for name, cancel := range l.hearing {
		if !wanted[name] {
			cancel()
			delete(l.hearing, name)
		}
	}
}

func (l *leader) pass(ctx context.Context, hints <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hints:
			l.kick()
		}
	}
}
