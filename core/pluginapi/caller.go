package pluginapi

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// ErrHangs is joined with the context's error when a driver or sensor still
// worked on a cancelled call after its plugin's Grace: its process has to be
// killed.
//
// The clients of DatabasePlugin and SensorPlugin return *Error for what the other
// side said, an error that wraps the context's when that ended, and a gRPC status
// otherwise, as when the process died.
var ErrHangs = errors.New("the driver does not end the cancelled call")

// caller makes the calls of a client: numbered, and settled when they are
// cancelled.
type caller struct {
	grace      time.Duration
	settleCall func(ctx context.Context, call uint64) error
	last       atomic.Uint64 // number of a call
}

// call runs f with a context that numbers the call. It returns when the driver
// works on it no more, or does not end it.
func (c *caller) call(ctx context.Context, method string, f func(context.Context) error) error {
	number := c.last.Add(1)
	err := f(metadata.AppendToOutgoingContext(ctx, callKey, strconv.FormatUint(number, 10)))
	if err == nil {
		return nil
	}
	if ended := endOf(ctx, err); ended != nil {
		return c.settle(ctx, number, fmt.Errorf("%s: %w", method, ended))
	}
	if own := fromStatus(err); own != nil {
		return own
	}
	return fmt.Errorf("%s: %w", method, err)
}

// endOf returns the context's error if err comes from its end. The driver's side
// may notice a deadline first.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if status.Code(err) == codes.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return nil
}

// settle waits until the driver ended a cancelled call.
func (c *caller) settle(ctx context.Context, number uint64, ended error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.grace)
	defer cancel()
	err := c.settleCall(ctx, number)
	if err != nil && status.Code(err) != codes.Unavailable { // a process that died works on nothing
		return errors.Join(ended, ErrHangs)
	}
	return ended
}
