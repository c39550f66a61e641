package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

const limitsFix = "see 'rackswarm limits' for those that stand"

// PutLimit records a limit, which is valid, and returns it.
func (f *Fleet) PutLimit(ctx context.Context, l api.Limit) (api.Limit, error) {
	err := f.updateLimits(ctx, func(_ map[string]api.Limit, dists []api.Distribution) (put []api.Limit, del []string, err error) {
		if l, err = belonging(l, dists); err != nil {
			return nil, nil, err
		}
		return []api.Limit{l}, nil, nil
	})
	return l, err
}

// ChangeLimit changes the limit of that name, or makes it, by a change that is valid,
// and returns what it is then: without rates if it was taken away. By, From and At
// are those of mark.
func (f *Fleet) ChangeLimit(ctx context.Context, name string, change api.LimitChange, mark api.Limit) (next api.Limit, err error) {
	err = f.updateLimits(ctx, func(all map[string]api.Limit, dists []api.Distribution) ([]api.Limit, []string, error) {
		old, stands := all[name]
		next = change.Apply(old)
		next.Name, next.By, next.From, next.At = name, mark.By, mark.From, mark.At
		if next, err = belonging(next, dists); err != nil {
			return nil, nil, err
		}
		switch {
		case next.Limited():
			return []api.Limit{next}, nil, next.Validate()
		case stands:
			return nil, []string{name}, nil
		}
		return nil, nil, missing("limit", name, limitsFix)
	})
	return next, err
}

// Limits lists the limits that are about something.
func (f *Fleet) Limits(ctx context.Context) ([]api.Limit, error) {
	all, err := f.store.Limits(ctx)
	if err != nil {
		return nil, err
	}
	// Read later: a limit is made when its distribution is there.
	dists, err := f.store.Distributions(ctx)
	return slices.DeleteFunc(all, func(l api.Limit) bool { return outlived(l, dists) }), err
}

// dropLimits takes the limits away that have outlived their distributions.
func (f *Fleet) dropLimits(ctx context.Context) error {
	return f.updateLimits(ctx, func(map[string]api.Limit, []api.Distribution) ([]api.Limit, []string, error) {
		return nil, nil, nil
	})
}

// updateLimits changes limits in one transaction. fn gets those that are about
// something, by name, and the distributions, and returns what to put and to delete.
// What has outlived its distribution goes with it: an agent that was to take it away
// may have ended before.
func (f *Fleet) updateLimits(ctx context.Context, fn func(all map[string]api.Limit, dists []api.Distribution) (put []api.Limit, del []string, err error)) error {
	return f.store.UpdateLimits(ctx, func(all map[string]api.Limit) ([]api.Limit, []string, error) {
		dists, err := f.store.Distributions(ctx) // later than all, as above
		if err != nil {
			return nil, nil, err
		}
		var gone []string
		for name, l := range all {
			if outlived(l, dists) {
				gone = append(gone, name)
				delete(all, name)
			}
		}
		put, del, err := fn(all, dists)
		return put, append(del, gone...), err
	})
}

// outlived reports whether the distribution that l is of is gone.
func outlived(l api.Limit, dists []api.Distribution) bool {
	return l.Distribution != "" && !slices.ContainsFunc(dists, l.Bounds)
}

// belonging returns l as that of the distribution it names. Without one it is of all
// that a node moves.
func belonging(l api.Limit, dists []api.Distribution) (api.Limit, error) {
	l.Created = time.Time{}
	if l.Distribution == "" {
		return l, nil
	}
	i := slices.IndexFunc(dists, func(d api.Distribution) bool { return d.Name == l.Distribution })
	if i < 0 {
		return l, missing("distribution", l.Distribution, listFix)
	}
	l.Created = dists[i].CreatedAt
	return l, nil
}
