package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// UpdateLimits changes the limits in one transaction: fn gets all of them, by name,
// and returns what to put and the names to delete. It may be called several times
// and must have no side effects. Its error ends the update and is returned as it is.
// Watchers hear of a change. After many attempts that others thwarted the error is
// ErrContended.
func (s *Store) UpdateLimits(ctx context.Context, fn func(all map[string]api.Limit) (put []api.Limit, del []string, err error)) error {
	return update(ctx, s, table[api.Limit]{
		key: s.keys.limits(), what: "limits", channel: s.keys.controlsChannel(), message: "limits", field: limitName,
		decode: func(ctx context.Context, records map[string]string) (map[string]api.Limit, error) {
			return byField(decodeLimits(ctx, records), limitName), nil
		},
	}, fn)
}

func limitName(l api.Limit) string { return l.Name }

// DeleteLimit takes the limit away, or returns ErrNotFound. Watchers hear of it.
func (s *Store) DeleteLimit(ctx context.Context, name string) error {
	n, err := s.client.HDel(ctx, s.keys.limits(), name).Result()
	if err != nil {
		return s.wrap(err, "delete limit %s", name)
	}
	if n == 0 {
		return notFound("delete limit", name, "there is no such limit", "see 'rackswarm limits' for those that stand")
	}
	return s.wrap(s.client.Publish(ctx, s.keys.controlsChannel(), "limits").Err(), "tell of limits")
}

// Limits returns all limits, sorted by name. A record that does not decode, or is no
// limit, such as one of zero, is left out.
func (s *Store) Limits(ctx context.Context) ([]api.Limit, error) {
	records, err := s.client.HGetAll(ctx, s.keys.limits()).Result()
	if err != nil {
		return nil, s.wrap(err, "list limits")
	}
	all := decodeLimits(ctx, records)
	slices.SortFunc(all, func(a, b api.Limit) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

func decodeLimits(ctx context.Context, records map[string]string) []api.Limit {
	all := decodeSound(ctx, "limit", records, limitName)
	return slices.DeleteFunc(all, func(l api.Limit) bool { return l.Validate() != nil })
}
