package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/snmp"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// devices are the switches of a run that answer by SNMP, and how often they were
// asked. They are watched from one goroutine.
type devices struct {
	at    map[unit.Location]*snmp.Device
	begin time.Time
	last  time.Time
	first map[unit.Location]uint64 // queries until begin
	count map[unit.Location]uint64 // until last
	peak  map[unit.Location]float64
}

// startDevices has the switches answer that have an uplink with a rate, if the
// scenario says so.
func (r *round) startDevices(ctx context.Context) error {
	d := &devices{at: map[unit.Location]*snmp.Device{}, first: map[unit.Location]uint64{}, count: map[unit.Location]uint64{}, peak: map[unit.Location]float64{}}
	r.devices = d
	if b := r.scenario.Bandwidth; b == nil || !b.SNMP {
		return nil
	}
	if err := snmp.Unsupported(); err != nil {
		return err
	}
	for i, l := range r.scenario.Locations {
		if l.Uplink == topo.Unlimited {
			continue
		}
		dir := filepath.Join(r.dir, fmt.Sprintf("snmp-%d", i+1))
		device, err := snmp.Start(ctx, r.network.Switch(l.Location), l.Uplink, dir)
		if err != nil {
			return err
		}
		d.at[l.Location] = device
	}
	return nil
}

// strike does what a fault says of a device.
func (d *devices) strike(ctx context.Context, f scenario.Fault) error {
	device := d.at[f.Location]
	switch {
	case device == nil && f.Action == scenario.SetLink:
		return nil // nobody tells
	case device == nil:
		return system.ErrNotApplicable
	case f.Action == scenario.SetLink:
		return device.SetCapacity(ctx, f.Link)
	}
	return device.Say(ctx, f.Says)
}

// start counts queries from now on.
func (d *devices) start() {
	d.begin = time.Now()
	d.last = d.begin
	for loc, device := range d.at {
		d.first[loc], _ = device.Queries() // one that does not answer was not asked
	}
	maps.Copy(d.count, d.first)
}

// look counts those since the last look.
func (d *devices) look() error {
	now := time.Now()
	passed := now.Sub(d.last).Seconds()
	d.last = now
	var errs []error
	for loc, device := range d.at {
		n, err := device.Queries()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		// Two that are a second apart may both fall into a second.
		if asked := n - d.count[loc]; asked > 1 && passed >= leastSample.Seconds() {
			d.peak[loc] = max(d.peak[loc], float64(asked-1)/passed)
		}
		d.count[loc] = n
	}
	return errors.Join(errs...)
}

func (d *devices) report() map[unit.Location]scenario.Queries {
	all := map[unit.Location]scenario.Queries{}
	for _, loc := range slices.Sorted(maps.Keys(d.at)) {
		mean := float64(d.count[loc]-d.first[loc]) / max(d.last.Sub(d.begin).Seconds(), 1)
		all[loc] = scenario.Queries{Mean: mean, Peak: max(mean, d.peak[loc])}
	}
	return all
}
