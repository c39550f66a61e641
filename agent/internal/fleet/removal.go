package fleet

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

const (
	// removalPatience ends a removal that a living node does not finish.
	removalPatience = 24 * time.Hour
	// removalGrace is how long a removal waits for nodes that are down: time to
	// restart an agent.
	removalGrace = 15 * time.Second
)

// removals remembers since when distributions are being removed. Their records
// say so by the clocks of other machines, which may be days off or jump; this is
// time that passed on this agent's own monotonic clock. After a restart it
// begins anew. It is safe for concurrent use.
type removals struct {
	mu    sync.Mutex
	begun map[string]removal // by name
}

type removal struct {
	generation int64
	since      time.Time
}

// age is for how long this agent has known that d is being removed.
func (r *removals) age(d api.Distribution, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.State != api.StateAbsent {
		delete(r.begun, d.Name)
		return 0
	}
	known, ok := r.begun[d.Name]
	if !ok || known.generation != d.Generation {
		known = removal{d.Generation, now}
		if r.begun == nil {
			r.begun = map[string]removal{}
		}
		r.begun[d.Name] = known
	}
	return now.Sub(known.since)
}

// keep forgets all distributions but those listed.
func (r *removals) keep(list []api.Distribution) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.begun, func(name string, _ removal) bool {
		return !slices.ContainsFunc(list, func(d api.Distribution) bool { return d.Name == name })
	})
}

// removalOver reports whether the record of a distribution that has been in
// removal for so long can go: all nodes have removed the content, or all that
// are alive have and the others had their chance, or it has taken too long.
func removalOver(st api.Status, age time.Duration) bool {
	d := st.Distribution
	if d.State != api.StateAbsent {
		return false
	}
	waiting, down := 0, 0
	for _, r := range st.Nodes {
		switch {
		case d.Converged(r):
		case r.Unreachable:
			down++
		default:
			waiting++
		}
	}
	return age >= removalPatience || waiting == 0 && (down == 0 || age >= removalGrace)
}

// Status is what is known of the distribution of that name.
func (f *Fleet) Status(ctx context.Context, name string) (api.Status, error) {
	d, err := f.Distribution(ctx, name)
	if err != nil {
		return api.Status{}, err
	}
	return f.StatusOf(ctx, d)
}

// StatusOf collects what is known of a distribution. One whose removal has ended
// is done, and its record gone.
func (f *Fleet) StatusOf(ctx context.Context, d api.Distribution) (api.Status, error) {
	var known *api.Artifact
	a, err := f.store.Artifact(ctx, d.Digest)
	switch {
	case err == nil:
		known = &a
	case !errors.Is(err, store.ErrNotFound):
		return api.Status{}, err
	}
	nodes, err := f.store.Nodes(ctx)
	if err != nil {
		return api.Status{}, err
	}
	reports, err := f.store.Statuses(ctx, d.Name)
	if err != nil {
		return api.Status{}, err
	}
	holds, err := f.store.Holds(ctx)
	if err != nil {
		return api.Status{}, err
	}
	st := Aggregate(d, known, nodes, reports)
	hold(&st, holds)
	if removalOver(st, f.removals.age(d, f.now())) {
		st.Summary.Done = true
		return st, f.finish(ctx, d)
	}
	return st, nil
}

// finish deletes the record of a removal that is over, unless the distribution
// has changed meanwhile.
func (f *Fleet) finish(ctx context.Context, d api.Distribution) error {
	gone := false
	err := f.store.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		now := lookup(all, d.Name)
		if gone = now != nil && now.State == api.StateAbsent && now.Generation == d.Generation; !gone {
			return nil, nil, nil
		}
		return nil, []string{d.Name}, nil
	})
	if err != nil || !gone {
		return err
	}
	return f.deleteBeside(ctx, d.Name)
}

// Finish deletes the records of all removals that are over.
func (f *Fleet) Finish(ctx context.Context) error {
	all, err := f.store.Distributions(ctx)
	if err != nil {
		return err
	}
	f.removals.keep(all)
	for _, d := range all {
		if d.State != api.StateAbsent {
			continue
		}
		if _, err := f.StatusOf(ctx, d); err != nil {
			return err
		}
	}
	return nil
}
