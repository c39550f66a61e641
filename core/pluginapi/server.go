package pluginapi

import (
	"context"

	databasev1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/database/v1"
)

// databaseServer answers an agent's calls with a driver.
type databaseServer struct {
	databasev1.UnimplementedDatabaseDriverServer
	driver DatabaseDriver
	calls  *calls
}

// Describe implements the service, as do the methods below.
func (s *databaseServer) Describe(ctx context.Context, _ *databasev1.DescribeRequest) (*databasev1.DescribeResponse, error) {
	d, err := s.driver.Describe(ctx)
	return fromDescription(d), err
}

func (s *databaseServer) Probe(ctx context.Context, r *databasev1.ProbeRequest) (*databasev1.ProbeResponse, error) {
	p, err := s.driver.Probe(ctx, toTarget(r.GetTarget()))
	return fromProbe(p), err
}

func (s *databaseServer) Pin(ctx context.Context, r *databasev1.PinRequest) (*databasev1.PinResponse, error) {
	p, err := s.driver.Pin(ctx, toTarget(r.GetTarget()), r.GetName())
	return &databasev1.PinResponse{Pin: fromPin(p)}, err
}

func (s *databaseServer) PinStatus(ctx context.Context, r *databasev1.PinStatusRequest) (*databasev1.PinStatusResponse, error) {
	p, err := s.driver.PinStatus(ctx, toTarget(r.GetTarget()), r.GetName())
	return &databasev1.PinStatusResponse{Pin: fromPin(p)}, err
}

func (s *databaseServer) Unpin(ctx context.Context, r *databasev1.UnpinRequest) (*databasev1.UnpinResponse, error) {
	return &databasev1.UnpinResponse{}, s.driver.Unpin(ctx, toTarget(r.GetTarget()), r.GetName())
}

func (s *databaseServer) Capture(r *databasev1.CaptureRequest, out databasev1.DatabaseDriver_CaptureServer) error {
	progress, stop := sendProgress(func(p *databasev1.Progress) error {
		return out.Send(&databasev1.CaptureResponse{Event: &databasev1.CaptureResponse_Progress{Progress: p}})
	})
	defer stop()
	c, err := s.driver.Capture(out.Context(), toTarget(r.GetTarget()), toCaptureRequest(r), progress)
	stop()
	if err != nil {
		return err
	}
	return out.Send(&databasev1.CaptureResponse{Event: &databasev1.CaptureResponse_Capture{Capture: fromCapture(c)}})
}

func (s *databaseServer) Verify(r *databasev1.VerifyRequest, out databasev1.DatabaseDriver_VerifyServer) error {
	progress, stop := sendProgress(func(p *databasev1.Progress) error {
		return out.Send(&databasev1.VerifyResponse{Progress: p})
	})
	defer stop()
	err := s.driver.Verify(out.Context(), toTarget(r.GetTarget()), r.GetDir(), progress)
	stop()
	return err
}

func (s *databaseServer) Configure(ctx context.Context, r *databasev1.ConfigureRequest) (*databasev1.ConfigureResponse, error) {
	return &databasev1.ConfigureResponse{}, s.driver.Configure(ctx, toTarget(r.GetTarget()), toConfigureRequest(r))
}

func (s *databaseServer) Start(ctx context.Context, r *databasev1.StartRequest) (*databasev1.StartResponse, error) {
	return &databasev1.StartResponse{}, s.driver.Start(ctx, toTarget(r.GetTarget()))
}

func (s *databaseServer) Stop(ctx context.Context, r *databasev1.StopRequest) (*databasev1.StopResponse, error) {
	return &databasev1.StopResponse{}, s.driver.Stop(ctx, toTarget(r.GetTarget()))
}

func (s *databaseServer) Health(ctx context.Context, r *databasev1.HealthRequest) (*databasev1.HealthResponse, error) {
	h, err := s.driver.Health(ctx, toTarget(r.GetTarget()), toHealthRequest(r))
	return &databasev1.HealthResponse{Health: fromHealth(&h)}, err
}

func (s *databaseServer) Cleanup(ctx context.Context, r *databasev1.CleanupRequest) (*databasev1.CleanupResponse, error) {
	return &databasev1.CleanupResponse{}, s.driver.Cleanup(ctx, toTarget(r.GetTarget()), r.GetMember())
}

func (s *databaseServer) Settle(ctx context.Context, r *databasev1.SettleRequest) (*databasev1.SettleResponse, error) {
	return &databasev1.SettleResponse{}, s.calls.settle(ctx, r.GetCall())
}
