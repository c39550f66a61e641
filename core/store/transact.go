package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/pause"
)

// maxAttempts bounds how often an update starts over because somebody else
// changed the same meanwhile.
const maxAttempts = 30

// transact runs fn, which reads key and changes it with atomically, again and again
// until nobody else changed key in between. fn must have no other effects.
// What it returns as a *userError is returned bare; op and subject are for other
// errors, of which ErrContended comes after many attempts.
func (s *Store) transact(ctx context.Context, key, op, subject string, fn func(*redis.Tx) error) error {
	for attempt := range maxAttempts {
		err := s.client.Watch(ctx, fn, key)
		var user *userError
		switch {
		case errors.As(err, &user):
			return user.err
		case !errors.Is(err, redis.TxFailedErr):
			return s.wrap(err, "%s", op)
		}
		if err := backOff(ctx, attempt+1); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return contended(op, subject, "others kept changing them at the same time", "try again")
}

// atomically runs the commands that fn queues as one transaction, of the store's
// client or of a watch. Of one that the server discards, as it refuses a command, the
// error is the command's: that of the transaction does not say why.
func atomically(ctx context.Context, c interface {
	TxPipelined(context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error)
}, fn func(redis.Pipeliner) error) error {
	queued, err := c.TxPipelined(ctx, fn)
	if !redis.HasErrorPrefix(err, "EXECABORT") {
		return err
	}
	for _, cmd := range queued {
		if cause := cmd.Err(); cause != nil && !redis.HasErrorPrefix(cause, "EXECABORT") {
			return cause
		}
	}
	return err
}

// userError carries the error of a caller's function past the classification of
// errors.
type userError struct{ err error }

func (e *userError) Error() string { return e.err.Error() }

// backOff waits before an update starts over the attempt-th time, counted from 1,
// by chance up to 5 ms longer each time.
func backOff(ctx context.Context, attempt int) error {
	return pause.For(ctx, time.Duration(rand.Int64N(int64(attempt)*int64(5*time.Millisecond))))
}
