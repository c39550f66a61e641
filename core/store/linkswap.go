package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
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
	return s.swapLink(ctx, op, l.Location, was, func(ctx context.Context, tx *redis.Tx, _ *LinkRecord) error {
		return atomically(ctx, tx, func(p redis.Pipeliner) error {
			p.HSet(ctx, s.keys.links(), l.Location, record)
			s.tellLinksWith(ctx, p)
			return nil
		})
	})
}

// SwapDeleteLink is DeleteLink for a caller who has read what operators say of the link:
// was is when that was said, as with SwapLink. If they say something else by now the error
// is ErrContended, and nothing changes. Without anyway it is ErrNotFound if
// there is neither a record nor a reading.
func (s *Store) SwapDeleteLink(ctx context.Context, location unit.Location, was time.Time, anyway bool) error {
	cleared, err := clearedLink(location)
	if err != nil {
		return err
	}
	op := "delete the link of " + string(location)
	return s.swapLink(ctx, op, string(location), was, func(ctx context.Context, tx *redis.Tx, said *LinkRecord) error {
		read, err := tx.HExists(ctx, s.keys.readings(), string(location)).Result()
		switch {
		case err != nil:
			return err
		case !anyway && !read && (said == nil || said.Cleared):
			return &userError{unknownLink(location)}
		}
		return atomically(ctx, tx, func(p redis.Pipeliner) error {
			p.HSet(ctx, s.keys.links(), string(location), cleared)
			p.HDel(ctx, s.keys.readings(), string(location))
			s.tellLinksWith(ctx, p)
			return nil
		})
	})
}

// swapLink has change replace the record of a link, of which it is told, if that is still
// what operators said at was: else the error is ErrContended.
func (s *Store) swapLink(ctx context.Context, op, location string, was time.Time, change func(context.Context, *redis.Tx, *LinkRecord) error) error {
	return s.transact(ctx, s.keys.links(), op, location, func(tx *redis.Tx) error {
		text, err := tx.HGet(ctx, s.keys.links(), location).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		said := decodeRecord(ctx, location, text)
		if !said.saidAt(was) {
			return &userError{contended(op, location, "somebody else said something of this link meanwhile", "see 'rackswarm links' and try again")}
		}
		return change(ctx, tx, said)
	})
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
