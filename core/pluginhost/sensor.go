package pluginhost

import (
	"context"
	"fmt"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// sensor is a BandwidthSensor whose process is started when it is needed.
type sensor struct{ supervisor *supervisor }

var _ pluginapi.BandwidthSensor = (*sensor)(nil)

// Sensor returns the bandwidth sensor of that name, as Database does a driver.
// Its Read returns exactly one reading for each link, in the order in which they
// were named: what the sensor says beside that, or that cannot be, becomes that
// reading's error.
func (h *Host) Sensor(ctx context.Context, name string) (pluginapi.BandwidthSensor, error) {
	s, err := h.acquire(ctx, KindSensor, name)
	if err != nil {
		return nil, err
	}
	return &sensor{s}, nil
}

// Describe implements pluginapi.BandwidthSensor, as does the method below.
func (s *sensor) Describe(ctx context.Context) (pluginapi.SensorDescription, error) {
	return call(ctx, s.supervisor, "Describe", func(p process) (pluginapi.SensorDescription, error) {
		return p.sensor().Describe(ctx)
	})
}

func (s *sensor) Read(ctx context.Context, settings map[string]string, links []string) ([]pluginapi.LinkReading, error) {
	readings, err := call(ctx, s.supervisor, "Read", func(p process) ([]pluginapi.LinkReading, error) {
		return p.sensor().Read(ctx, settings, links)
	})
	if err != nil {
		return nil, err
	}
	return inOrder(links, readings), nil
}

// inOrder returns a reading for each link, with an error in place of what cannot
// be.
func inOrder(links []string, readings []pluginapi.LinkReading) []pluginapi.LinkReading {
	byLink := map[string]pluginapi.LinkReading{}
	for _, r := range readings {
		if _, twice := byLink[r.Link]; twice {
			r = wrong(r.Link, "the sensor says two things of it")
		}
		byLink[r.Link] = r
	}
	all := make([]pluginapi.LinkReading, len(links))
	for i, link := range links {
		r, ok := byLink[link]
		switch {
		case !ok:
			r = wrong(link, "the sensor says nothing of it")
		case r.Err != nil:
			r = pluginapi.LinkReading{Link: link, Err: r.Err}
		case r.Up < 0 || r.Down < 0 || r.UpCapacity < 0 || r.DownCapacity < 0 || r.Age < 0:
			r = wrong(link, fmt.Sprintf("a negative reading: %d up of %d, %d down of %d, %v old", r.Up, r.UpCapacity, r.Down, r.DownCapacity, r.Age))
		}
		all[i] = r
	}
	return all
}

func wrong(link, message string) pluginapi.LinkReading {
	return pluginapi.LinkReading{Link: link, Err: &pluginapi.Error{
		Code: pluginapi.CodeInternal, Subject: "link of " + link, Message: message, Fix: "this is an error in the sensor",
	}}
}
