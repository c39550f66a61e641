package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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
	read    string // the identity of the store at the last reading; guarded by reading
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
	d, err := r.readAll(ctx)
	send(d, err)
	return err
}

// maxRereads bounds how often a reading begins anew because the store was another
// before it.
const maxRereads = 2

// readAll returns all distributions, and the records of the artifacts of those that
// select this node. An artifact without a record is left out. All of it is of one
// store: that had the same identity before and after. Before is at the last reading,
// so that one takes two round trips.
func (r *desiredReader) readAll(ctx context.Context) (desired, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for try := 0; ; try++ {
		if r.read == "" {
			id, err := r.store.Identity(ctx)
			if err != nil {
				return desired{}, fmt.Errorf("read the desired state: %w", err)
			}
			r.read = id
		}
		d, err := r.readOnce(ctx)
		if err != nil {
			return desired{}, fmt.Errorf("read the desired state: %w", err)
		}
		if d.Store == r.read {
			return d, nil
		}
		if r.read = d.Store; try == maxRereads {
			return desired{}, errors.New("read the desired state: the store loses its data again and again")
		}
	}
}

// maxLookups is how many artifacts are looked up at a time.
const maxLookups = 16

// readOnce reads everything once; Store is the identity after the distributions were
// read.
func (r *desiredReader) readOnce(ctx context.Context) (d desired, err error) {
	if d.Distributions, err = r.store.Distributions(ctx); err != nil {
		return d, err
	}
	digests := map[string]bool{}
	for _, dist := range d.Distributions {
		if dist.Selector.Matches(r.node) {
			digests[dist.Digest] = true
		}
	}
	lookups, ctx := errgroup.WithContext(ctx)
	lookups.SetLimit(maxLookups)
	lookups.Go(func() (err error) {
		d.Store, err = r.store.Identity(ctx)
		return err
	})
	var mu sync.Mutex // of d.Artifacts
	d.Artifacts = map[string]api.Artifact{}
	for digest := range digests {
		lookups.Go(func() error {
			a, err := r.store.Artifact(ctx, digest)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				d.Artifacts[digest] = a
			}
			return err
		})
	}
	err = lookups.Wait()
	return d, err
}
