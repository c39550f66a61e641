package daemon

import (
	"context"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/rackswarm/rackswarm/agent/internal/hostload"
	"github.com/rackswarm/rackswarm/agent/internal/links"
	"github.com/rackswarm/rackswarm/agent/internal/loop"
	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// openLinks makes what keeps the swarm within the budgets of links.
func (d *daemon) openLinks(context.Context) error {
	address, _ := netip.ParseAddrPort(d.self.DataAddr) // none of a name
	load, err := hostload.New(hostload.Config{
		Host:   probe.HostConfig{Interface: d.cfg.Host.Interface, Address: address.Addr(), Path: d.cfg.Roots[0]},
		Impact: d.cfg.Impact.Host, Up: d.cfg.Host.Up, Down: d.cfg.Host.Down, Policy: d.cfg.HostPolicy(),
		Moved: func() bandwidth.Moved { return d.transport.Carried().TCPOnWire() }, Logger: d.log,
	})
	if err != nil {
		return err
	}
	d.load = load
	sources, err := d.sources()
	if err != nil {
		return err
	}
	d.links = links.New(links.Config{
		Self: d.cfg.Node.Name, Location: d.cfg.Node.Location, Store: d.store, Swarm: d.loop,
		Policy: d.cfg.LinkPolicy(), Links: d.cfg.Links, Sources: sources,
		Download: d.cfg.Limits.Download, Upload: d.cfg.Limits.Upload, Host: load.Limit, Logger: d.log,
		File: filepath.Join(d.cfg.StateDir, "links.json"),
	})
	d.transport.SetWays(func(peer unit.NodeID) (transport.Way, bool) {
		slowest, guard, ok := d.links.Way(peer)
		return transport.Way{Uplinks: d.links.Uplinks(peer), Link: slowest, Guard: guard}, ok
	})
	return nil
}

// sources are the devices and sensors that tell how much of links is used.
func (d *daemon) sources() (all []links.Source, err error) {
	if err := d.cfg.CheckDrivers(); err != nil && len(d.cfg.Sensors()) > 0 {
		d.log.Warn("not all links can be measured", "error", err)
	}
	for _, name := range slices.Sorted(maps.Keys(d.cfg.Devices)) {
		c := d.cfg.Devices[name]
		if c.Sensor != "" {
			all = append(all, links.Sensor(probe.SensorConfig{Name: c.Sensor, Sensor: sensor{d.plugins, c.Sensor},
				Settings: c.Settings, Links: c.Meters(), Interval: c.Interval, Timeout: c.Timeout}))
			continue
		}
		device, err := c.Resolve()
		if err != nil {
			return nil, err
		}
		source, err := links.Device(device)
		if err != nil {
			return nil, err
		}
		all = append(all, source)
	}
	return all, nil
}

// listLinks is what is known of all links, this node's own included.
func (d *daemon) listLinks(ctx context.Context) (api.LinkList, error) {
	list, err := d.links.List(ctx)
	host := d.load.Link(d.cfg.Node.Name, d.cfg.Node.Location)
	list.Host = &host
	return list, err
}

// steered is the swarm, with the limits that operators set as budgets beside those of
// links.
type steered struct {
	*loop.Loop
	links *links.Manager
}

// SetRates implements swarmapi.Swarm.
func (s steered) SetRates(download, upload unit.Rate) { s.links.SetRates(download, upload) }
