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

// Update decides what to change, given all distributions by name: what to put
// and the names to delete. It may be called several times and must have no side
// effects. Its error ends the update and is returned as it is.
type Update func(all map[string]api.Distribution) (put []api.Distribution, del []string, err error)

// UpdateDistributions changes the set of distributions in one transaction. If
// others change it at the same time, fn is called again with what they wrote;
// after many attempts the error is ErrContended. Watchers hear of the change. An
// update that changes nothing writes nothing.
func (s *Store) UpdateDistributions(ctx context.Context, fn Update) error {
	return s.transact(ctx, s.keys.distributions(), "update distributions", "distributions", func(tx *redis.Tx) error {
		return s.updateOnce(ctx, tx, fn)
	})
}

func (s *Store) updateOnce(ctx context.Context, tx *redis.Tx, fn Update) error {
	key := s.keys.distributions()
	records, err := tx.HGetAll(ctx, key).Result()
	if err != nil {
		return err
	}
	all := make(map[string]api.Distribution, len(records))
	for name, record := range records {
		if all[name], err = decode[api.Distribution]("distribution", name, record); err != nil {
			return &userError{err}
		}
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
		for _, d := range put {
			record, err := json.Marshal(d)
			if err != nil {
				return &userError{fmt.Errorf("encode distribution %s: %w", d.Name, err)}
			}
			p.HSet(ctx, key, d.Name, record)
		}
		p.Publish(ctx, s.keys.distributionsChannel(), "changed")
		return nil
	})
	return err
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
