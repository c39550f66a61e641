package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// UpdateHolds changes the holds in one transaction: fn gets all of them, by key,
// and returns what to put and the keys to delete. It may be called several times and
// must have no side effects. Its error ends the update and is returned as it is.
// Watchers hear of a change. After many attempts that others thwarted the error is
// ErrContended.
func (s *Store) UpdateHolds(ctx context.Context, fn func(all map[string]api.Hold) (put []api.Hold, del []string, err error)) error {
	return update(ctx, s, table[api.Hold]{
		key: s.keys.holds(), what: "holds", channel: s.keys.controlsChannel(), message: "holds", field: api.Hold.Key,
		decode: func(ctx context.Context, records map[string]string) (map[string]api.Hold, error) {
			return byField(decodeHolds(ctx, records), api.Hold.Key), nil
		},
	}, fn)
}

// Holds returns all holds, by distribution. A record that does not decode, or holds
// nothing that could be held so, is left out.
func (s *Store) Holds(ctx context.Context) ([]api.Hold, error) {
	records, err := s.client.HGetAll(ctx, s.keys.holds()).Result()
	if err != nil {
		return nil, s.wrap(err, "list holds")
	}
	all := decodeHolds(ctx, records)
	slices.SortFunc(all, func(a, b api.Hold) int { return cmp.Compare(a.Key(), b.Key()) })
	return all, nil
}

func decodeHolds(ctx context.Context, records map[string]string) []api.Hold {
	return slices.DeleteFunc(decodeSound(ctx, "hold", records, api.Hold.Key), func(h api.Hold) bool { return !h.Sound() })
}
