package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// endTime is how long a process whose connection broke may take to be gone.
const endTime = 2 * time.Second

// database is a DatabaseDriver whose process is started when it is needed.
type database struct{ supervisor *supervisor }

var _ pluginapi.DatabaseDriver = (*database)(nil)

// call makes one call with a process that runs.
func call[T any](ctx context.Context, s *supervisor, method string, f func(process) (T, error)) (T, error) {
	var none T
	p, err := s.acquire(ctx)
	if err != nil {
		return none, err
	}
	defer s.release(p)
	result, err := f(p)
	if err != nil {
		return none, s.judge(p, method, err)
	}
	return result, nil
}

// ask is call for methods of a driver.
func ask[T any](ctx context.Context, d *database, method string, f func(pluginapi.DatabaseDriver) (T, error)) (T, error) {
	return call(ctx, d.supervisor, method, func(p process) (T, error) { return f(p.database()) })
}

// do is ask for methods without a result.
func do(ctx context.Context, d *database, method string, f func(pluginapi.DatabaseDriver) error) error {
	_, err := ask(ctx, d, method, func(driver pluginapi.DatabaseDriver) (struct{}, error) {
		return struct{}{}, f(driver)
	})
	return err
}

// judge tells errors of the driver from those of its process, and kills a
// process that is of no use any more.
func (s *supervisor) judge(p process, method string, err error) error {
	name := s.name
	if own := (*pluginapi.Error)(nil); errors.As(err, &own) {
		return err
	}
	if errors.Is(err, pluginapi.ErrHangs) {
		p.kill(fmt.Sprintf("it did not end %s when that was cancelled", method))
		return fmt.Errorf("%w: %w", err, &Error{Kind: s.kind, Driver: name, Reason: ReasonHangs, Message: p.how()})
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %s: %w", s.kind, name, err)
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.Canceled: // the connection broke, or was closed
		if s.ctx.Err() != nil {
			return closedError(s.kind, name)
		}
		return s.crash(p, method)
	case codes.ResourceExhausted:
		return &pluginapi.Error{
			Code: pluginapi.CodeInternal, Subject: method,
			Message: fmt.Sprintf("a message was longer than %d bytes", pluginapi.MaxMessage),
		}
	case codes.Unimplemented:
		return &pluginapi.Error{
			Code: pluginapi.CodeUnsupported, Subject: method, Message: fmt.Sprintf("the %s does not know this call", s.kind),
			Fix: fmt.Sprintf("install the %s's release that goes with this agent's", s.kind),
		}
	}
	return &pluginapi.Error{Code: pluginapi.CodeInternal, Subject: method, Message: status.Convert(err).Message()}
}

// crash returns the error of a call whose process ended.
func (s *supervisor) crash(p process, method string) error {
	select {
	case <-p.ended():
	case <-time.After(endTime):
		p.kill("it closed its connection")
	}
	return &Error{
		Kind: s.kind, Driver: s.name, Reason: ReasonCrashed, Message: fmt.Sprintf("its process ended during %s: %s", method, p.how()),
		Fix: "it is started again by the next call; the agent's log has what it wrote",
	}
}

// Describe implements pluginapi.DatabaseDriver, as do the methods below.
func (d *database) Describe(ctx context.Context) (pluginapi.Description, error) {
	return ask(ctx, d, "Describe", func(driver pluginapi.DatabaseDriver) (pluginapi.Description, error) {
		return driver.Describe(ctx)
	})
}

func (d *database) Probe(ctx context.Context, t pluginapi.Target) (pluginapi.Probe, error) {
	return ask(ctx, d, "Probe", func(driver pluginapi.DatabaseDriver) (pluginapi.Probe, error) {
		return driver.Probe(ctx, t)
	})
}

func (d *database) Pin(ctx context.Context, t pluginapi.Target, name string) (pluginapi.Pin, error) {
	return ask(ctx, d, "Pin", func(driver pluginapi.DatabaseDriver) (pluginapi.Pin, error) {
		return driver.Pin(ctx, t, name)
	})
}

func (d *database) PinStatus(ctx context.Context, t pluginapi.Target, name string) (pluginapi.Pin, error) {
	return ask(ctx, d, "PinStatus", func(driver pluginapi.DatabaseDriver) (pluginapi.Pin, error) {
		return driver.PinStatus(ctx, t, name)
	})
}

func (d *database) Unpin(ctx context.Context, t pluginapi.Target, name string) error {
	return do(ctx, d, "Unpin", func(driver pluginapi.DatabaseDriver) error { return driver.Unpin(ctx, t, name) })
}

func (d *database) Capture(ctx context.Context, t pluginapi.Target, r pluginapi.CaptureRequest, progress func(pluginapi.Progress)) (pluginapi.Capture, error) {
	return ask(ctx, d, "Capture", func(driver pluginapi.DatabaseDriver) (pluginapi.Capture, error) {
		return driver.Capture(ctx, t, r, progress)
	})
}

func (d *database) Verify(ctx context.Context, t pluginapi.Target, dir string, progress func(pluginapi.Progress)) error {
	return do(ctx, d, "Verify", func(driver pluginapi.DatabaseDriver) error {
		return driver.Verify(ctx, t, dir, progress)
	})
}

func (d *database) Configure(ctx context.Context, t pluginapi.Target, r pluginapi.ConfigureRequest) error {
	return do(ctx, d, "Configure", func(driver pluginapi.DatabaseDriver) error { return driver.Configure(ctx, t, r) })
}

func (d *database) Start(ctx context.Context, t pluginapi.Target) error {
	return do(ctx, d, "Start", func(driver pluginapi.DatabaseDriver) error { return driver.Start(ctx, t) })
}

func (d *database) Stop(ctx context.Context, t pluginapi.Target) error {
	return do(ctx, d, "Stop", func(driver pluginapi.DatabaseDriver) error { return driver.Stop(ctx, t) })
}

func (d *database) Health(ctx context.Context, t pluginapi.Target, r pluginapi.HealthRequest) (pluginapi.Health, error) {
	return ask(ctx, d, "Health", func(driver pluginapi.DatabaseDriver) (pluginapi.Health, error) {
		return driver.Health(ctx, t, r)
	})
}

func (d *database) Cleanup(ctx context.Context, t pluginapi.Target, member string) error {
	return do(ctx, d, "Cleanup", func(driver pluginapi.DatabaseDriver) error { return driver.Cleanup(ctx, t, member) })
}
