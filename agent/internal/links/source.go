package links

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Source is who tells how much of some links is used. One agent of all that know it
// asks it.
type Source struct {
	Name  string // for people, such as "device 10.0.0.1:161"
	Links []unit.Location
	// Run asks it until ctx ends.
	Run func(ctx context.Context, a Asking)
}

// Asking is what a source needs and gives; see probe.Config.
type Asking struct {
	Time   func(time.Time) unit.Time
	Own    func(unit.Location) bandwidth.Moved
	Report func(probe.Report)
}

// Device is the source that a device is. Errors are those of its configuration.
func Device(d probe.Device) (Source, error) {
	if err := d.Check(); err != nil {
		return Source{}, err
	}
	s := Source{Name: d.String(), Run: func(ctx context.Context, a Asking) {
		p, err := probe.NewPoller(probe.Config{Device: d, Time: a.Time, Own: a.Own, Report: a.Report})
		if err == nil { // it was checked
			p.Run(ctx)
		}
	}}
	for _, l := range d.Links {
		s.Links = append(s.Links, l.Link)
	}
	return s, nil
}
