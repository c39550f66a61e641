package fleet

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

const (
	listFix    = "see 'rackswarm status' for the names"
	publishFix = "publish it with 'rackswarm publish' and use the digest that it prints"
)

// Fleet changes the records. Its methods may be called from several goroutines.
// Errors that a person can act on are *api.Error.
type Fleet struct {
	store    *store.Store
	now      func() time.Time
	removals removals
}

// New returns the fleet whose records are in s. now is the clock of new records.
func New(s *store.Store, now func() time.Time) *Fleet { return &Fleet{store: s, now: now} }

// Distribution returns the one of that name.
func (f *Fleet) Distribution(ctx context.Context, name string) (api.Distribution, error) {
	all, err := f.store.Distributions(ctx)
	if err != nil {
		return api.Distribution{}, err
	}
	i := slices.IndexFunc(all, func(d api.Distribution) bool { return d.Name == name })
	if i < 0 {
		return api.Distribution{}, missing("distribution", name, listFix)
	}
	return all[i], nil
}

// Put creates a distribution or changes it to wanted, which is valid, and returns
// what stands then. It decides inside the store's transaction, so that of two
// callers who claim one path only one wins.
func (f *Fleet) Put(ctx context.Context, wanted api.Distribution) (api.Distribution, error) {
	nodes, err := f.store.Nodes(ctx)
	if err != nil {
		return wanted, err
	}
	stale, err := f.store.Statuses(ctx, wanted.Name)
	if err != nil {
		return wanted, err
	}
	var old *api.Distribution
	var next api.Distribution
	var changed bool
	err = f.store.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		old = lookup(all, wanted.Name)
		if next, changed = revise(old, wanted, stale, f.now()); !changed {
			return nil, nil, nil
		}
		if _, err := f.Artifact(ctx, next.Digest); err != nil {
			return nil, nil, err
		}
		return []api.Distribution{next}, nil, Admit(next, all, nodes)
	})
	if err == nil && changed {
		err = f.confirm(context.WithoutCancel(ctx), old, next)
	}
	return next, err
}

// confirm takes a change back if its artifact was withdrawn meanwhile: the store
// knows no transaction over both kinds of record. Since Withdraw looks for
// distributions after it has deleted, one of the two sees the other.
func (f *Fleet) confirm(ctx context.Context, old *api.Distribution, next api.Distribution) error {
	_, gone := f.Artifact(ctx, next.Digest)
	if gone == nil {
		return nil
	}
	return errors.Join(gone, f.store.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		now := lookup(all, next.Name)
		switch {
		case now == nil || now.Generation != next.Generation:
			return nil, nil, nil
		case old == nil:
			return nil, []string{next.Name}, nil
		}
		back := *old
		back.Generation = next.Generation + 1
		if old.MaySwitch() && old.Together() {
			back.Activated = back.Generation
		}
		return []api.Distribution{back}, nil, nil
	}))
}

func lookup(all map[string]api.Distribution, name string) *api.Distribution {
	if d, ok := all[name]; ok {
		return &d
	}
	return nil
}

// Forget deletes the record and leaves the files.
func (f *Fleet) Forget(ctx context.Context, name string) error {
	err := f.store.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		if lookup(all, name) == nil {
			return nil, nil, missing("distribution", name, listFix)
		}
		return nil, []string{name}, nil
	})
	if err != nil {
		return err
	}
	return f.deleteBeside(ctx, name)
}

// deleteBeside deletes what is recorded beside a distribution that is gone.
func (f *Fleet) deleteBeside(ctx context.Context, name string) error {
	return errors.Join(f.store.DeleteStatuses(ctx, name), f.dropLimits(ctx))
}

// Remove has the nodes remove the files; the record goes when they have, and
// somebody looks at the status. Again changes nothing.
func (f *Fleet) Remove(ctx context.Context, name string) (api.Distribution, error) {
	return f.change(ctx, name, func(d api.Distribution) (api.Distribution, error) { return toAbsent(d, f.now()), nil })
}

// Verify has the nodes hash everything again.
func (f *Fleet) Verify(ctx context.Context, name string) (api.Distribution, error) {
	return f.change(ctx, name, func(d api.Distribution) (api.Distribution, error) { return toVerify(d, f.now()) })
}

// Activate has those nodes switch now that have staged what is wanted.
func (f *Fleet) Activate(ctx context.Context, name string) (api.Distribution, error) {
	reports, err := f.store.Statuses(ctx, name)
	if err != nil {
		return api.Distribution{}, err
	}
	return f.change(ctx, name, func(d api.Distribution) (api.Distribution, error) { return toActivated(d, reports, f.now()) })
}

// change applies fn to a distribution that stands and returns the result.
func (f *Fleet) change(ctx context.Context, name string, fn func(api.Distribution) (api.Distribution, error)) (next api.Distribution, err error) {
	err = f.store.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		old := lookup(all, name)
		if old == nil {
			return nil, nil, missing("distribution", name, listFix)
		}
		var err error
		if next, err = fn(*old); err != nil || reflect.DeepEqual(next, *old) {
			return nil, nil, err
		}
		return []api.Distribution{next}, nil, nil
	})
	return next, err
}

// Rollback asks for the version before, unless its artifact is gone.
func (f *Fleet) Rollback(ctx context.Context, name string) (api.Distribution, error) {
	var old, next api.Distribution
	err := f.store.UpdateDistributions(ctx, func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		found := lookup(all, name)
		if found == nil {
			return nil, nil, missing("distribution", name, listFix)
		}
		old = *found
		var err error
		if next, err = toPrevious(old, f.now()); err != nil {
			return nil, nil, err
		}
		return []api.Distribution{next}, nil, f.checkPrevious(ctx, next.Digest)
	})
	if err == nil {
		err = f.confirm(context.WithoutCancel(ctx), &old, next)
	}
	return next, err
}

// checkPrevious looks whether the version to return to is still published.
func (f *Fleet) checkPrevious(ctx context.Context, digest string) error {
	_, err := f.store.Artifact(ctx, digest)
	if errors.Is(err, store.ErrNotFound) {
		return &api.Error{Code: api.CodeNotFound, Subject: digest, Message: "the version before is not published any more",
			Fix: "publish it again, then roll back; with keep_previous it cannot be removed"}
	}
	return err
}

func missing(kind, name, fix string) error {
	return &api.Error{Code: api.CodeNotFound, Subject: name, Message: "no such " + kind, Fix: fix}
}
