package reconcile

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// reportInterval is the least time between two reports of moving bytes, and
// before a failed report is tried again.
const reportInterval = time.Second

// reporter brings this node's statuses to the store: a change of phase at once,
// moving bytes at most once per second, and again what could not be written.
// Only the newest status of a distribution counts.
type reporter struct {
	store *store.Store
	log   *slog.Logger
	told  map[string]milestone // by distribution, what was announced last; touched only by flush

	mu     sync.Mutex
	queued map[string]api.NodeStatus // by distribution
	wake   chan struct{}
}

// milestone is what somebody who waits wants to hear of at once.
type milestone struct {
	phase                api.Phase
	generation, verified int64
	drifted              bool
	waiting              string
	held                 string
}

func milestoneOf(s api.NodeStatus) milestone {
	m := milestone{phase: s.Phase, generation: s.Generation, verified: s.Verified, drifted: s.Drifted, waiting: s.Waiting}
	if s.Held != nil {
		m.held = s.Held.String()
	}
	return m
}

func newReporter(s *store.Store, log *slog.Logger) *reporter {
	return &reporter{store: s, log: log, told: map[string]milestone{}, queued: map[string]api.NodeStatus{}, wake: make(chan struct{}, 1)}
}

// put queues a status. An urgent one is written at once with all others.
func (r *reporter) put(dist string, s api.NodeStatus, urgent bool) {
	r.mu.Lock()
	r.queued[dist] = s
	r.mu.Unlock()
	if urgent {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// drop takes back what is queued for a distribution.
func (r *reporter) drop(dist string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.queued, dist)
}

// run writes until ctx ends, and then once more what is left.
func (r *reporter) run(ctx context.Context) {
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	ok := true
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			ok = r.flush(ctx, storeTimeout, ok)
		case <-r.wake:
			if ok { // else the tick tries again
				ok = r.flush(ctx, storeTimeout, ok)
			}
		}
	}
	r.flush(context.Background(), farewell, ok)
}

// flush writes what is queued, in the order of names, up to the first failure;
// what is not written stays queued unless something newer came. It says whether
// all was written; wasOK keeps a lasting failure from being logged again.
func (r *reporter) flush(ctx context.Context, limit time.Duration, wasOK bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	batch := r.takeQueued()
	for i, dist := range slices.Sorted(maps.Keys(batch)) {
		err := r.write(ctx, dist, batch[dist])
		if err == nil {
			delete(batch, dist)
			continue
		}
		if wasOK {
			r.log.Warn("statuses are not written; trying again", "distribution", dist, "written", i, "error", err)
		}
		r.putBack(batch)
		return false
	}
	return true
}

// write writes a status, and announces it if it says more than other numbers. An
// announcement that fails is no loss: who waits looks now and then as well.
func (r *reporter) write(ctx context.Context, dist string, s api.NodeStatus) error {
	if err := r.store.PutStatus(ctx, dist, s); err != nil {
		return err
	}
	if now := milestoneOf(s); r.told[dist] != now {
		r.told[dist] = now
		if err := r.store.AnnounceStatus(ctx, dist); err != nil {
			r.log.Debug("status is not announced", "distribution", dist, "error", err)
		}
	}
	return nil
}

func (r *reporter) takeQueued() map[string]api.NodeStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := r.queued
	r.queued = map[string]api.NodeStatus{}
	return batch
}

func (r *reporter) putBack(batch map[string]api.NodeStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for dist, s := range batch {
		if _, newer := r.queued[dist]; !newer {
			r.queued[dist] = s
		}
	}
}
