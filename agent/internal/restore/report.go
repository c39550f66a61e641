package restore

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

const (
	// progressInterval is how often mere progress is reported.
	progressInterval = 500 * time.Millisecond
	longestSilence   = 10 * time.Second // after the store failed several times
	// farewell is what the last report may take when the agent ends.
	farewell = 2 * time.Second
)

// reporter writes into the store what a part last said. It never keeps the part
// waiting; what a store that is down does not take is written when it is back.
type reporter struct {
	put  func(context.Context, api.PartReport) error // into the store
	log  *slog.Logger
	done func() // called when a report was written
	now  func() time.Time
	wake chan struct{}

	mu     sync.Mutex
	latest api.PartReport // guarded by mu
	urgent bool           // more than progress changed since it was written; guarded by mu
	dirty  bool           // anything changed since; guarded by mu
	wrote  time.Time      // UpdatedAt of what was written last, zero for nothing; guarded by mu
}

func newReporter(put func(context.Context, api.PartReport) error, log *slog.Logger, now func() time.Time, done func()) *reporter {
	return &reporter{put: put, log: log, now: now, done: done, wake: make(chan struct{}, 1)}
}

// say replaces what is to be reported.
func (r *reporter) say(p api.PartReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if reflect.DeepEqual(p, r.latest) {
		return
	}
	r.urgent = r.urgent || !reflect.DeepEqual(withoutProgress(p), withoutProgress(r.latest))
	r.latest, r.dirty = p, true
	r.kick()
}

// withoutProgress is what is worth a report of its own.
func withoutProgress(p api.PartReport) api.PartReport {
	p.Progress, p.Health = nil, nil
	return p
}

// heard takes in what the store has. If that is not what was written last, as it
// lost it, that is written once more.
func (r *reporter) heard(p api.PartReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.dirty && !r.wrote.IsZero() && !p.UpdatedAt.Equal(r.wrote) {
		r.dirty, r.urgent = true, true
		r.kick()
	}
}

func (r *reporter) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// told reports whether the store has what was said last.
func (r *reporter) told() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.dirty
}

// run writes until ctx ends, and then once more.
func (r *reporter) run(ctx context.Context) {
	failures := 0
	for {
		select {
		case <-ctx.Done():
			r.writeLast(context.WithoutCancel(ctx))
			return
		case <-r.wake:
		}
		err := r.write(ctx, storeTimeout)
		switch {
		case err == nil:
			failures = 0
			r.wait(ctx, progressInterval, true)
		case ctx.Err() == nil:
			failures++
			r.log.Debug("a part is not reported; trying again", "error", err)
			r.wait(ctx, min(progressInterval<<min(failures, 10), longestSilence), false)
			r.kick()
		}
	}
}

// writeLast writes what was said last when the agent ends, if the store takes it at
// once.
func (r *reporter) writeLast(ctx context.Context) {
	if err := r.write(ctx, farewell); err != nil {
		r.log.Debug("the last report is not written", "error", err)
	}
}

// wait lasts so long, or, if urgent may end it, until more than progress changed.
func (r *reporter) wait(ctx context.Context, d time.Duration, mayEnd bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			r.kick() // what came meanwhile
			return
		case <-r.wake:
			if r.hurry(mayEnd) {
				return
			}
		}
	}
}

// hurry reports whether to write before the time, and keeps the wake for that.
func (r *reporter) hurry(mayEnd bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.urgent || !mayEnd {
		return false
	}
	r.kick()
	return true
}

// write writes what was said last, unless it is written. A run that is gone needs
// no reports.
func (r *reporter) write(ctx context.Context, timeout time.Duration) error {
	r.mu.Lock()
	p, dirty := r.latest, r.dirty
	r.dirty, r.urgent = false, false
	r.mu.Unlock()
	if !dirty {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p.UpdatedAt = r.now().UTC()
	err := r.put(ctx, p)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err != nil {
		r.mu.Lock()
		r.dirty = true
		r.mu.Unlock()
		return err
	}
	r.mu.Lock()
	r.wrote = p.UpdatedAt
	r.mu.Unlock()
	r.done()
	return nil
}
