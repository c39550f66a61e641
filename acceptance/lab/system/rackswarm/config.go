package rackswarm

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"golang.org/x/sync/errgroup"

	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// section is one of a configuration: settings and further sections, by name.
type section map[string]any

// configure writes the agent's configuration for its next start: what is not
// here is as users have it.
func (a *agent) configure() error {
	f := a.fleet
	all := section{
		"node":      section{"name": a.name, "location": string(a.location)},
		"state_dir": a.file("state"),
		"roots":     []string{f.root()},
		"data":      section{"listen": net.JoinHostPort(a.host.Address.String(), strconv.Itoa(system.DataPort))},
		"api":       section{"socket": a.file("sock")},
		"tls":       section{"enabled": false},
		"store":     f.store.settings(a),
		"trust":     []string{f.pkiFile("publisher.pub")},
		// The hosts share one machine: it says nothing of any of them.
		"impact": section{"cpu_idle": "0%", "io_idle": "0%"},
		// Each start has its own: the last line of one that was killed is not whole.
		"trace": a.traceFile(len(a.started)),
	}
	if f.opts.Scenario.TLS {
		all["tls"] = section{"ca": f.pkiFile("ca.crt"), "cert": f.pkiFile(a.name + ".crt"), "key": f.pkiFile(a.name + ".key")}
	}
	switch a.role {
	case seeder:
		all["publish"] = section{"key": f.pkiFile("publisher.key")}
	case receiver, late:
		all["node"] = section{"name": a.name, "location": string(a.location), "labels": map[string]string{label: string(receiver)}}
	}
	if s := strategySettings(f.opts.Strategy); s != nil {
		all["strategy"] = s
	}
	if a.limit != topo.Unlimited {
		all["limits"] = section{"download": rate(a.limit.Down), "upload": rate(a.limit.Up)}
	}
	maps.Copy(all, a.bandwidthSettings())
	text, err := yaml.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(a.file("agent.yaml"), text, 0o600)
}

func (a *agent) traceFile(start int) string { return a.file(fmt.Sprintf("trace.%d", start+1)) }

// rate writes a rate as the configuration reads it.
func rate(r unit.Rate) string {
	if r == unit.Unlimited {
		return "unlimited"
	}
	return fmt.Sprintf("%dB/s", int64(r))
}

// strategySettings are what differs from the default, nil for nothing.
func strategySettings(s scenario.Strategy) section {
	all := section{}
	for key, on := range map[string]bool{"overlay": s.Overlay, "division": s.Division, "stealing": s.Stealing, "low_latency": s.LowLatency} {
		if !on {
			all[key] = false
		}
	}
	if s.Picker != scenario.Stealing {
		all["picker"] = string(s.Picker)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func (f *Fleet) pkiFile(name string) string { return filepath.Join(f.opts.Dir, "pki", name) }

// makePKI makes the publisher's key and, unless TLS is off, a certificate for
// every agent.
func (f *Fleet) makePKI(ctx context.Context) error {
	if err := f.pki(ctx, "init"); err != nil {
		return err
	}
	if !f.opts.Scenario.TLS {
		return nil
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(runtime.NumCPU())
	for _, a := range f.order {
		all.Go(func() error { return f.pki(ctx, "issue", "--role", "node", "--name", a.name) })
	}
	all.Go(func() error {
		return f.pki(ctx, "issue", "--role", "node", "--name", storeName, "--host", f.opts.Network.Store().Address.String())
	})
	return all.Wait()
}

// storeName is that of the store's certificate, and of the agent that keeps an
// embedded store. No host is called so: hosts have a number at the end.
const storeName = "store"

func (f *Fleet) pki(ctx context.Context, command string, args ...string) error {
	args = append([]string{"pki", command, "--dir", f.pkiFile("")}, args...)
	cmd := exec.CommandContext(ctx, f.opts.Program, args...)
	cmd.Env = environment()
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rackswarm %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return nil
}

// limits are each host's share of the worst case, topo.Unlimited for all unless
// the limits are static: every link is divided among the hosts that use it, less
// the reserve.
func (f *Fleet) limits() map[unit.NodeID]topo.Link {
	s := f.opts.Scenario
	if f.opts.Static {
		return shares(s)
	}
	all := map[unit.NodeID]topo.Link{}
	for _, h := range s.Hosts {
		all[h.Node] = topo.Unlimited
	}
	return all
}

// shares divides every link among the hosts that take part and use it: all below
// an uplink do.
func shares(s *scenario.Scenario) map[unit.NodeID]topo.Link {
	takesPart := map[unit.NodeID]bool{}
	for _, n := range append(append([]unit.NodeID{}, s.Initial...), s.Receivers...) {
		takesPart[n] = true
	}
	spare := 1.
	if s.Bandwidth != nil {
		spare -= s.Bandwidth.Reserve
	}
	all := map[unit.NodeID]topo.Link{}
	for _, h := range s.Hosts {
		share := topo.Link{Up: part(h.Link.Up, 1, spare), Down: part(h.Link.Down, 1, spare)}
		for _, l := range s.Locations {
			if !l.Location.Contains(h.Location) {
				continue
			}
			users := 0
			for _, other := range s.Hosts {
				if takesPart[other.Node] && l.Location.Contains(other.Location) {
					users++
				}
			}
			share.Up = min(share.Up, part(l.Uplink.Up, users, spare))
			share.Down = min(share.Down, part(l.Uplink.Down, users, spare))
		}
		all[h.Node] = share
	}
	return all
}

// part is the payload that one of n users of a link may have.
func part(capacity unit.Rate, n int, spare float64) unit.Rate {
	if capacity == unit.Unlimited || n == 0 {
		return unit.Unlimited
	}
	return max(1, unit.Rate(float64(capacity)*spare*topo.Goodput/float64(n)))
}
