package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// resyncInterval is how often everything is read without being asked, in case a
// change was not heard of.
const resyncInterval = 30 * time.Second

// desiredReader reads the desired state from the store whenever it is told to,
// and sends each complete reading to the loop.
type desiredReader struct {
	store *store.Store
	node  api.Node
	send  func(event)
	rng   *unit.Rand // touched only by run
	wake  chan struct{}
	// reading is held from before a reading until it is sent: one that began
	// earlier must not undo what a later one says.
	reading sync.Mutex
}

// kick asks for a reading soon. Kicks that come together are one.
func (r *desiredReader) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *desiredReader) run(ctx context.Context) {
	failures := 0
	for {
		err := r.inOrder(ctx, func(d desired, err error) {
			if ctx.Err() == nil {
				r.send(desiredRead{d, err})
			}
		})
		if ctx.Err() != nil {
			return
		}
		wait := resyncInterval + r.rng.Jitter(resyncInterval/10)
		if failures++; err == nil {
			failures = 0
		} else {
			wait = retryDelay(failures, nil, r.rng)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-time.After(wait):
		}
	}
}

// inOrder reads, and sends what was read before anybody else reads.
func (r *desiredReader) inOrder(ctx context.Context, send func(desired, error)) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	d, err := r.read(ctx)
	send(d, err)
	return err
}

// read returns all distributions, and the records of the artifacts of those that
// select this node. An artifact without a record is left out.
func (r *desiredReader) read(ctx context.Context) (desired, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	id, err := r.store.Identity(ctx)
	if err != nil {
		return desired{}, fmt.Errorf("read the desired state: %w", err)
	}
	all, err := r.store.Distributions(ctx)
	if err != nil {
		return desired{}, fmt.Errorf("read the desired state: %w", err)
	}
	if again, err := r.store.Identity(ctx); err != nil {
		return desired{}, fmt.Errorf("read the desired state: %w", err)
	} else if again != id {
		return desired{}, errors.New("read the desired state: the store lost its data meanwhile")
	}
	d := desired{Store: id, Distributions: all, Artifacts: map[string]api.Artifact{}}
	for _, dist := range all {
		if _, have := d.Artifacts[dist.Digest]; have || !dist.Selector.Matches(r.node) {
			continue
		}
		a, err := r.store.Artifact(ctx, dist.Digest)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return desired{}, fmt.Errorf("read the desired state: %w", err)
		}
		d.Artifacts[dist.Digest] = a
	}
	return d, nil
}
