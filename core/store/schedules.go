package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
)

// UpdateSchedule changes the schedule of that name in one transaction: fn gets
// the one that stands, or nil, and returns what it becomes, or nil to change
// nothing. It may be called several times and must have no side effects. Its
// error ends the update and is returned as it is. After many attempts that others
// thwarted the error is ErrContended. A record that does not decode counts as
// none.
func (s *Store) UpdateSchedule(ctx context.Context, name string, fn func(*api.Schedule) (*api.Schedule, error)) error {
	return s.transact(ctx, s.keys.schedules(), "update schedules", "schedules", func(tx *redis.Tx) error {
		old, err := readSchedule(ctx, tx, s.keys.schedules(), name)
		if err != nil {
			return err
		}
		next, err := fn(old)
		if err != nil {
			return &userError{err}
		}
		if next == nil {
			return nil
		}
		next.Name = name
		record, err := json.Marshal(next)
		if err != nil {
			return &userError{fmt.Errorf("encode schedule %s: %w", name, err)}
		}
		err = atomically(ctx, tx, func(p redis.Pipeliner) error {
			return p.HSet(ctx, s.keys.schedules(), name, record).Err()
		})
		return err
	})
}

func readSchedule(ctx context.Context, tx *redis.Tx, key, name string) (*api.Schedule, error) {
	record, err := tx.HGet(ctx, key, name).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil //nolint:nilnil // no schedule is no error
	}
	if err != nil {
		return nil, err
	}
	old, err := decodeOwn("schedule", name, record, scheduleName)
	if err != nil {
		slog.DebugContext(ctx, "schedule counts as none", "error", err)
		return nil, nil //nolint:nilnil // as above
	}
	return &old, nil
}

// Schedules returns all schedules, sorted by name.
func (s *Store) Schedules(ctx context.Context) ([]api.Schedule, error) {
	records, err := s.client.HGetAll(ctx, s.keys.schedules()).Result()
	if err != nil {
		return nil, s.wrap(err, "list schedules")
	}
	all := decodeSound(ctx, "schedule", records, scheduleName)
	slices.SortFunc(all, func(a, b api.Schedule) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// DeleteSchedule forgets the schedule, or returns ErrNotFound.
func (s *Store) DeleteSchedule(ctx context.Context, name string) error {
	n, err := s.client.HDel(ctx, s.keys.schedules(), name).Result()
	if err != nil {
		return s.wrap(err, "delete schedule %s", name)
	}
	if n == 0 {
		return notFound("delete schedule", name, "there is no schedule of this name", "list the schedules to see their names")
	}
	return nil
}

func scheduleName(s api.Schedule) string { return s.Name }
