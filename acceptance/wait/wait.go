// Package wait waits for what tests and demos have brought about.
package wait

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// interval is how long Until waits between two looks.
const interval = 50 * time.Millisecond

// Stop makes Until give up at once, with Err.
type Stop struct{ Err error }

// Error is that of Err.
func (s Stop) Error() string { return s.Err.Error() }

// Until waits until check returns nil, for at most the timeout. what is said of
// the state that is waited for. The error has the last one of check, and is ctx's
// too if that ended.
func Until(ctx context.Context, timeout time.Duration, what string, check func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		var stop Stop
		switch {
		case err == nil:
			return nil
		case errors.As(err, &stop):
			return stop.Err
		case time.Now().After(deadline):
			return fmt.Errorf("after %s it is not so that %s: %w", timeout, what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(interval):
		}
	}
}
