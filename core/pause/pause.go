// Package pause waits.
package pause

import (
	"context"
	"time"
)

// For waits until d has passed, or ctx ends, whose error it returns; a d of zero or
// less has passed.
func For(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
