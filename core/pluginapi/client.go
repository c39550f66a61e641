package pluginapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	databasev1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/database/v1"
)

// ErrHangs is joined with the context's error when a driver still worked on a
// cancelled call after DatabasePlugin.Grace: its process has to be killed.
//
// The client of DatabasePlugin returns *Error for what the driver said, an error
// that wraps the context's when that ended, and a gRPC status otherwise, as when
// the process died.
var ErrHangs = errors.New("the driver does not end the cancelled call")

// databaseClient is a DatabaseDriver in another process.
type databaseClient struct {
	rpc   databasev1.DatabaseDriverClient
	grace time.Duration
	last  atomic.Uint64 // number of a call
}

var _ DatabaseDriver = (*databaseClient)(nil)

// call runs f with a context that numbers the call. It returns when the driver
// works on it no more, or does not end it.
func (c *databaseClient) call(ctx context.Context, method string, f func(context.Context) error) error {
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
func (c *databaseClient) settle(ctx context.Context, number uint64, ended error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.grace)
	defer cancel()
	_, err := c.rpc.Settle(ctx, &databasev1.SettleRequest{Call: number})
	if err != nil && status.Code(err) != codes.Unavailable { // a process that died works on nothing
		return errors.Join(ended, ErrHangs)
	}
	return ended
}

// Describe implements DatabaseDriver, as do the methods below.
func (c *databaseClient) Describe(ctx context.Context) (d Description, err error) {
	err = c.call(ctx, "Describe", func(ctx context.Context) error {
		answer, err := c.rpc.Describe(ctx, &databasev1.DescribeRequest{})
		d = toDescription(answer)
		return err
	})
	return d, err
}

func (c *databaseClient) Probe(ctx context.Context, t Target) (p Probe, err error) {
	err = c.call(ctx, "Probe", func(ctx context.Context) error {
		answer, err := c.rpc.Probe(ctx, &databasev1.ProbeRequest{Target: fromTarget(t)})
		p = toProbe(answer)
		return err
	})
	return p, err
}

func (c *databaseClient) Pin(ctx context.Context, t Target, name string) (p Pin, err error) {
	err = c.call(ctx, "Pin", func(ctx context.Context) error {
		answer, err := c.rpc.Pin(ctx, &databasev1.PinRequest{Target: fromTarget(t), Name: name})
		p = toPin(answer.GetPin())
		return err
	})
	return p, err
}

func (c *databaseClient) PinStatus(ctx context.Context, t Target, name string) (p Pin, err error) {
	err = c.call(ctx, "PinStatus", func(ctx context.Context) error {
		answer, err := c.rpc.PinStatus(ctx, &databasev1.PinStatusRequest{Target: fromTarget(t), Name: name})
		p = toPin(answer.GetPin())
		return err
	})
	return p, err
}

func (c *databaseClient) Unpin(ctx context.Context, t Target, name string) error {
	return c.call(ctx, "Unpin", func(ctx context.Context) error {
		_, err := c.rpc.Unpin(ctx, &databasev1.UnpinRequest{Target: fromTarget(t), Name: name})
		return err
	})
}

func (c *databaseClient) Capture(ctx context.Context, t Target, r CaptureRequest, progress func(Progress)) (captured Capture, err error) {
	err = c.call(ctx, "Capture", func(ctx context.Context) error {
		in, err := c.rpc.Capture(ctx, fromCaptureRequest(t, r))
		if err != nil {
			return err
		}
		captured, err = receiveCapture(in, progress)
		return err
	})
	return captured, err
}

func receiveCapture(in databasev1.DatabaseDriver_CaptureClient, progress func(Progress)) (Capture, error) {
	var result *databasev1.Capture
	for {
		event, err := in.Recv()
		switch {
		case errors.Is(err, io.EOF) && result == nil:
			return Capture{}, &Error{Code: CodeInternal, Subject: "Capture", Message: "the driver ended the call without a result"}
		case errors.Is(err, io.EOF):
			return toCapture(result), nil
		case err != nil:
			return Capture{}, err
		}
		if event.GetCapture() != nil {
			result = event.GetCapture()
		}
		tell(progress, event.GetProgress())
	}
}

func (c *databaseClient) Verify(ctx context.Context, t Target, dir string, progress func(Progress)) error {
	return c.call(ctx, "Verify", func(ctx context.Context) error {
		in, err := c.rpc.Verify(ctx, &databasev1.VerifyRequest{Target: fromTarget(t), Dir: dir})
		if err != nil {
			return err
		}
		for {
			event, err := in.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			tell(progress, event.GetProgress())
		}
	})
}

// tell gives what came to progress, which may be nil.
func tell(progress func(Progress), p *databasev1.Progress) {
	if progress != nil && p != nil {
		progress(Progress{Doing: p.GetDoing(), Done: p.GetDone(), Total: p.GetTotal()})
	}
}

func (c *databaseClient) Configure(ctx context.Context, t Target, r ConfigureRequest) error {
	return c.call(ctx, "Configure", func(ctx context.Context) error {
		_, err := c.rpc.Configure(ctx, fromConfigureRequest(t, r))
		return err
	})
}

func (c *databaseClient) Start(ctx context.Context, t Target) error {
	return c.call(ctx, "Start", func(ctx context.Context) error {
		_, err := c.rpc.Start(ctx, &databasev1.StartRequest{Target: fromTarget(t)})
		return err
	})
}

func (c *databaseClient) Stop(ctx context.Context, t Target) error {
	return c.call(ctx, "Stop", func(ctx context.Context) error {
		_, err := c.rpc.Stop(ctx, &databasev1.StopRequest{Target: fromTarget(t)})
		return err
	})
}

func (c *databaseClient) Health(ctx context.Context, t Target, r HealthRequest) (h Health, err error) {
	err = c.call(ctx, "Health", func(ctx context.Context) error {
		answer, err := c.rpc.Health(ctx, fromHealthRequest(t, r))
		if found := toHealth(answer.GetHealth()); found != nil {
			h = *found
		}
		return err
	})
	return h, err
}

func (c *databaseClient) Cleanup(ctx context.Context, t Target, member string) error {
	return c.call(ctx, "Cleanup", func(ctx context.Context) error {
		_, err := c.rpc.Cleanup(ctx, &databasev1.CleanupRequest{Target: fromTarget(t), Member: member})
		return err
	})
}
