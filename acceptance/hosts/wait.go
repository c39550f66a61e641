package hosts

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// stop ends eventually at once.
type stop struct{ error }

const patience = time.Minute

// eventually tries until try returns nil or a stop, for a minute at most.
func eventually(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := try()
		var over stop
		if errors.As(err, &over) {
			return over.error
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
