package pluginapi

import (
	"context"
	"errors"
	"io"

	databasev1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/database/v1"
)

// databaseClient is a DatabaseDriver in another process.
type databaseClient struct {
	caller
	rpc databasev1.DatabaseDriverClient
}

var _ DatabaseDriver = (*databaseClient)(nil)

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
