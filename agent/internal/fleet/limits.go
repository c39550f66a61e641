package fleet

import (
	"context"

	"github.com/rackswarm/rackswarm/core/api"
)

// PutLimit records a limit, which is valid.
func (f *Fleet) PutLimit(ctx context.Context, l api.Limit) error {
	if err := f.limitable(ctx, l.Distribution); err != nil {
		return err
	}
	return f.store.UpdateLimits(ctx, func(map[string]api.Limit) ([]api.Limit, []string, error) {
		return []api.Limit{l}, nil, nil
	})
}

// ChangeLimit changes the limit of that name, or makes it, by a change that is valid,
// and returns what it is then: without rates if it was taken away. By, From and At
// are those of mark.
func (f *Fleet) ChangeLimit(ctx context.Context, name string, change api.LimitChange, mark api.Limit) (next api.Limit, err error) {
	if err := f.limitable(ctx, change.Distribution); err != nil {
		return next, err
	}
	err = f.store.UpdateLimits(ctx, func(all map[string]api.Limit) ([]api.Limit, []string, error) {
		old, stands := all[name]
		next = change.Apply(old)
		next.Name, next.By, next.From, next.At = name, mark.By, mark.From, mark.At
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

const limitsFix = "see 'rackswarm limits' for those that stand"

// limitable is an error if there is no such distribution. Without one a limit is of
// all that a node moves.
func (f *Fleet) limitable(ctx context.Context, distribution string) error {
	if distribution == "" {
		return nil
	}
	_, err := f.Distribution(ctx, distribution)
	return err
}
