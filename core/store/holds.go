package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
)

// UpdateHolds changes the holds in one transaction: fn gets all of them, by key,
// and returns what to put and the keys to delete. It may be called several times and
// must have no side effects. Its error ends the update and is returned as it is.
// Watchers hear of a change. After many attempts that others thwarted the error is
// ErrContended.
func (s *Store) UpdateHolds(ctx context.Context, fn func(all map[string]api.Hold) (put []api.Hold, del []string, err error)) error {
	key := s.keys.holds()
	return s.transact(ctx, key, "update holds", "holds", func(tx *redis.Tx) error {
		records, err := tx.HGetAll(ctx, key).Result()
		if err != nil {
			return err
		}
		all := map[string]api.Hold{}
		for _, h := range decodeHolds(ctx, records) {
			all[h.Key()] = h
		}
		put, del, err := fn(all)
		if err != nil {
			return &userError{err}
		}
		if len(put)+len(del) == 0 {
			return nil
		}
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			if len(del) > 0 {
				p.HDel(ctx, key, del...)
			}
			for _, h := range put {
				record, err := json.Marshal(h)
				if err != nil {
					return &userError{fmt.Errorf("encode the hold of %s: %w", h.Key(), err)}
				}
				p.HSet(ctx, key, h.Key(), record)
			}
			return p.Publish(ctx, s.keys.controlsChannel(), "holds").Err()
		})
		return err
	})
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
