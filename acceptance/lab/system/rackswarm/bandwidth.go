package rackswarm

import (
	"fmt"
	"os"
	"strings"

	"github.com/rackswarm/rackswarm/acceptance/lab/snmp"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
)

// communityFile has the word that switches are asked with.
func (f *Fleet) communityFile() string { return f.file("snmp-community") }

func (f *Fleet) writeCommunity() error {
	return os.WriteFile(f.communityFile(), []byte(snmp.Community+"\n"), 0o600)
}

// bandwidthSettings are what the agent knows of the uplinks and how much of them is to
// stay free: by their switches, or by hand where nobody is asked; and of its host's own
// link, as the interfaces of the lab tell no speed. Agents that are not to be aware of
// it have none.
func (a *agent) bandwidthSettings() section {
	f := a.fleet
	b := f.opts.Scenario.Bandwidth
	if b == nil || !f.opts.Aware {
		return nil
	}
	all := section{"reserve": fmt.Sprintf("%g%%", 100*b.Reserve)}
	links, devices := section{}, section{}
	for _, l := range f.opts.Scenario.Locations {
		switch {
		case l.Uplink == topo.Unlimited:
		case b.SNMP:
			devices[strings.ReplaceAll(string(l.Location), "/", ".")] = f.device(l)
		default:
			links[string(l.Location)] = capacity(l.Uplink)
		}
	}
	if len(links) > 0 {
		all["links"] = links
	}
	if len(devices) > 0 {
		all["devices"] = devices
	}
	if a.link != topo.Unlimited {
		all["host"] = capacity(a.link)
	}
	switch s := f.opts.Scenario; { // these hosts have processors and disks of their own
	case s.Strikes(scenario.BusyDisk):
		all["impact"] = section{"disk_latency": "+20%"}
	case s.Strikes(scenario.BusyCPU):
		all["impact"] = section{"cpu_idle": "20%"}
	}
	return all
}

func (f *Fleet) device(l scenario.Location) section {
	link := section{"interface": snmp.Interface, "side": "inside"}
	if l.Uplink.Up != l.Uplink.Down { // a device has one speed for both
		for direction, rate := range capacity(l.Uplink) {
			link[direction] = rate
		}
		link["ignore_speed"] = true
	}
	return section{
		"host": f.opts.Network.Switch(l.Location).Address.String(), "community_file": f.communityFile(),
		"interval": f.opts.Scenario.Bandwidth.Interval.String(), "links": section{string(l.Location): link},
	}
}

func capacity(l topo.Link) section { return section{"up": rate(l.Up), "down": rate(l.Down)} }
