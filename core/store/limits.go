package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// PutLimit creates or replaces the limit of that name. Watchers hear of it.
func (s *Store) PutLimit(ctx context.Context, l api.Limit) error {
	record, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode limit %s: %w", l.Name, err)
	}
	if err := s.client.HSet(ctx, s.keys.limits(), l.Name, record).Err(); err != nil {
		return s.wrap(err, "put limit %s", l.Name)
	}
	return s.tellLimits(ctx)
}

func (s *Store) tellLimits(ctx context.Context) error {
	return s.wrap(s.client.Publish(ctx, s.keys.controlsChannel(), "limits").Err(), "tell of limits")
}

// DeleteLimit takes the limit away, or returns ErrNotFound. Watchers hear of it.
func (s *Store) DeleteLimit(ctx context.Context, name string) error {
	n, err := s.client.HDel(ctx, s.keys.limits(), name).Result()
	if err != nil {
		return s.wrap(err, "delete limit %s", name)
	}
	if n == 0 {
		return notFound("delete limit", name, "there is no such limit", "see 'rackswarm limits' for those that stand")
	}
	return s.tellLimits(ctx)
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
	all := decodeSound(ctx, "limit", records, func(l api.Limit) string { return l.Name })
	return slices.DeleteFunc(all, func(l api.Limit) bool { return l.Validate() != nil })
}
