package links

import (
	"context"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
)

// Sensor is the source that a bandwidth sensor is. Of c all is needed but Time and
// Report.
func Sensor(c probe.SensorConfig) Source {
	s := Source{Name: "sensor " + c.Name, Run: func(ctx context.Context, a Asking) {
		c.Time, c.Report = a.Time, a.Report
		probe.Watch(ctx, c)
	}}
	for _, l := range c.Links {
		s.Links = append(s.Links, l.Link)
	}
	return s
}
