package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// Update decides what to change, given all distributions by name: what to put
// and the names to delete. It may be called several times and must have no side
// effects. Its error ends the update and is returned as it is.
type Update func(all map[string]api.Distribution) (put []api.Distribution, del []string, err error)

// UpdateDistributions changes the set of distributions in one transaction. If
// others change it at the same time, fn is called again with what they wrote;
// after many attempts the error is ErrContended. Watchers hear of the change. An
// update that changes nothing writes nothing.
func (s *Store) UpdateDistributions(ctx context.Context, fn Update) error {
	return update(ctx, s, table[api.Distribution]{
		key: s.keys.distributions(), what: "distributions", channel: s.keys.distributionsChannel(), message: "changed",
		field: func(d api.Distribution) string { return d.Name },
		// What cannot be read might claim a path: whoever changes the others would not
		// know.
		decode: func(_ context.Context, records map[string]string) (map[string]api.Distribution, error) {
			return decodeMap[api.Distribution]("distribution", records)
		},
	}, fn)
}

// Distributions returns all distributions, sorted by name.
func (s *Store) Distributions(ctx context.Context) ([]api.Distribution, error) {
	records, err := s.client.HGetAll(ctx, s.keys.distributions()).Result()
	if err != nil {
		return nil, s.wrap(err, "list distributions")
	}
	all, err := decodeAll[api.Distribution]("distribution", records)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b api.Distribution) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}
