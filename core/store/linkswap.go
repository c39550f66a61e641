package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
)

// SwapLink is PutLink for a caller who has read what operators say of the link: was is
// when that was said, by its At, zero if they said nothing. If they say something else by
// now the error is ErrContended, and nothing changes.
func (s *Store) SwapLink(ctx context.Context, l api.Link, was time.Time) error {
	record, err := json.Marshal(LinkRecord{Link: l})
	if err != nil {
		return fmt.Errorf("encode the link of %s: %w", l.Location, err)
	}
	op := "put the link of " + l.Location
	err = s.transact(ctx, s.keys.links(), op, l.Location, func(tx *redis.Tx) error {
		text, err := tx.HGet(ctx, s.keys.links(), l.Location).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		if !decodeRecord(ctx, l.Location, text).saidAt(was) {
			return &userError{contended(op, l.Location, "somebody else said something of this link meanwhile", "see 'rackswarm links' and try again")}
		}
		return atomically(ctx, tx, func(p redis.Pipeliner) error {
			p.HSet(ctx, s.keys.links(), l.Location, record)
			return nil
		})
	})
	if err != nil {
		return err
	}
	return s.tellLinks(ctx)
}

// saidAt reports whether operators said at was what counts of the link, or, if that is
// zero, nothing counts. When something was said that cannot be read nobody knows.
func (r *LinkRecord) saidAt(was time.Time) bool {
	switch {
	case r == nil || r.Cleared:
		return was.IsZero()
	case r.Unreadable:
		return true
	}
	return r.At.Equal(was)
}
