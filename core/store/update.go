package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// table is a hash of records that is changed as a whole, in transactions.
type table[T any] struct {
	key     string // of the hash
	what    string // such as "holds", for errors
	channel string // where changes are told
	message string
	field   func(T) string // under which a record stands
	// decode returns the records by their fields. It decides on those that are not
	// sound: to leave them out, or to fail.
	decode func(ctx context.Context, records map[string]string) (map[string]T, error)
}

// update changes a table in one transaction: fn gets all records by their fields,
// and returns what to put and the fields to delete. It may be called several times
// and must have no side effects. Its error ends the update and is returned as it is;
// after many attempts that others thwarted the error is ErrContended. Watchers hear
// of a change; an update that changes nothing writes nothing.
func update[T any](ctx context.Context, s *Store, t table[T], fn func(all map[string]T) (put []T, del []string, err error)) error {
	return s.transact(ctx, t.key, "update "+t.what, t.what, func(tx *redis.Tx) error {
		records, err := tx.HGetAll(ctx, t.key).Result()
		if err != nil {
			return err
		}
		all, err := t.decode(ctx, records)
		if err != nil {
			return &userError{err}
		}
		put, del, err := fn(all)
		if err != nil {
			return &userError{err}
		}
		return t.write(ctx, tx, put, del)
	})
}

// write puts and deletes records, and tells of it.
func (t table[T]) write(ctx context.Context, tx *redis.Tx, put []T, del []string) error {
	if len(put)+len(del) == 0 {
		return nil
	}
	err := atomically(ctx, tx, func(p redis.Pipeliner) error {
		if len(del) > 0 {
			p.HDel(ctx, t.key, del...)
		}
		for _, v := range put {
			record, err := json.Marshal(v)
			if err != nil {
				return &userError{fmt.Errorf("encode %s of %s: %w", t.field(v), t.what, err)}
			}
			p.HSet(ctx, t.key, t.field(v), record)
		}
		return p.Publish(ctx, t.channel, t.message).Err()
	})
	return err
}

// byField returns records by their fields.
func byField[T any](all []T, field func(T) string) map[string]T {
	m := make(map[string]T, len(all))
	for _, v := range all {
		m[field(v)] = v
	}
	return m
}
