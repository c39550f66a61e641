package pluginapi

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	sensorv1 "github.com/rackswarm/rackswarm/core/pluginapi/proto/sensor/v1"
)

// SensorName is the name under which a process serves a BandwidthSensor.
const SensorName = "sensor"

// ServeBandwidthSensor is the main function of a sensor's program. What
// ServeDatabaseDriver says of drivers holds for sensors.
func ServeBandwidthSensor(s BandwidthSensor) {
	serve("a sensor", func(calls *calls) plugin.PluginSet {
		return plugin.PluginSet{SensorName: &SensorPlugin{sensor: s, calls: calls}}
	})
}

// SensorPlugin is the plugin of go-plugin that carries a BandwidthSensor. Its
// client is a BandwidthSensor, too, with the errors of DatabasePlugin's.
type SensorPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	// Grace is what a sensor has to end a call that was cancelled.
	Grace time.Duration

	sensor BandwidthSensor
	calls  *calls
}

var _ plugin.GRPCPlugin = (*SensorPlugin)(nil)

// GRPCServer registers the sensor.
func (p *SensorPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if p.sensor == nil {
		return errors.New("serve a bandwidth sensor: it is nil")
	}
	sensorv1.RegisterBandwidthSensorServer(s, &sensorServer{sensor: p.sensor, calls: p.calls})
	return nil
}

// GRPCClient returns a BandwidthSensor that asks the process behind conn.
func (p *SensorPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	rpc := sensorv1.NewBandwidthSensorClient(conn)
	settle := func(ctx context.Context, call uint64) error {
		_, err := rpc.Settle(ctx, &sensorv1.SettleRequest{Call: call})
		return err
	}
	return &sensorClient{rpc: rpc, caller: caller{grace: p.Grace, settleCall: settle}}, nil
}

// sensorServer answers an agent's calls with a sensor.
type sensorServer struct {
	sensorv1.UnimplementedBandwidthSensorServer
	sensor BandwidthSensor
	calls  *calls
}

// Describe implements the service, as do the methods below.
func (s *sensorServer) Describe(ctx context.Context, _ *sensorv1.DescribeRequest) (*sensorv1.DescribeResponse, error) {
	d, err := s.sensor.Describe(ctx)
	return &sensorv1.DescribeResponse{Name: text(d.Name), Version: text(d.Version), Settings: fromSettings(d.Settings)}, err
}

func (s *sensorServer) Read(ctx context.Context, r *sensorv1.ReadRequest) (*sensorv1.ReadResponse, error) {
	settings := r.GetSettings()
	if settings == nil {
		settings = map[string]string{}
	}
	readings, err := s.sensor.Read(ctx, settings, r.GetLinks())
	answer := &sensorv1.ReadResponse{Readings: make([]*sensorv1.Reading, len(readings))}
	for i, reading := range readings {
		answer.Readings[i] = fromReading(reading)
	}
	return answer, err
}

func (s *sensorServer) Settle(ctx context.Context, r *sensorv1.SettleRequest) (*sensorv1.SettleResponse, error) {
	return &sensorv1.SettleResponse{}, s.calls.settle(ctx, r.GetCall())
}

// sensorClient is a BandwidthSensor in another process.
type sensorClient struct {
	caller
	rpc sensorv1.BandwidthSensorClient
}

var _ BandwidthSensor = (*sensorClient)(nil)

// Describe implements BandwidthSensor, as does the method below.
func (c *sensorClient) Describe(ctx context.Context) (d SensorDescription, err error) {
	err = c.call(ctx, "Describe", func(ctx context.Context) error {
		answer, err := c.rpc.Describe(ctx, &sensorv1.DescribeRequest{})
		d = SensorDescription{Name: answer.GetName(), Version: answer.GetVersion(), Settings: toSettings(answer.GetSettings())}
		return err
	})
	return d, err
}

func (c *sensorClient) Read(ctx context.Context, settings map[string]string, links []string) (readings []LinkReading, err error) {
	err = c.call(ctx, "Read", func(ctx context.Context) error {
		answer, err := c.rpc.Read(ctx, &sensorv1.ReadRequest{Settings: settings, Links: links})
		for _, m := range answer.GetReadings() {
			readings = append(readings, toReading(m))
		}
		return err
	})
	return readings, err
}

func fromReading(r LinkReading) *sensorv1.Reading {
	m := &sensorv1.Reading{
		Link: text(r.Link), Up: r.Up, Down: r.Down, UpCapacity: r.UpCapacity, DownCapacity: r.DownCapacity,
		AgeNanoseconds: int64(r.Age),
	}
	if r.Err != nil {
		m.Error = fromError(r.Err)
	}
	return m
}

func toReading(m *sensorv1.Reading) LinkReading {
	r := LinkReading{
		Link: m.GetLink(), Up: m.GetUp(), Down: m.GetDown(), UpCapacity: m.GetUpCapacity(), DownCapacity: m.GetDownCapacity(),
		Age: time.Duration(m.GetAgeNanoseconds()),
	}
	if e := m.GetError(); e != nil {
		r.Err = toError(e)
	}
	return r
}
