package network

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Network is a scenario's network. Its methods may be called from any goroutine.
type Network struct {
	switches map[unit.Location]*Switch
	hosts    map[unit.NodeID]*Host
	order    []*Host // of the scenario
	store    *Host

	faults sync.Mutex // held while a link is changed, or its counters are read
	close  sync.Once
	err    error
}

// Switch is what joins the links of one location. It routes to and from its hosts, see
// Network.gateways, and bridges between other switches. It has an address of its own, as
// the site's switches have for their management. The root has one, too.
type Switch struct {
	machine
	Location unit.Location
	parent   *Switch // nil for the root
	uplink   *link   // nil for the root
	name     string  // of its interface at the parent
	number   int     // among the switches, 0 for the root
}

// Host is a machine of the scenario, or the one with the store.
type Host struct {
	machine
	Node unit.NodeID // empty for the store
	at   *Switch
	link *link
	name string // of its interface at the switch
}

// New makes the network of a scenario, with its links as they are before any fault.
// It ends with the caller's process at the latest.
func New(ctx context.Context, s *scenario.Scenario) (*Network, error) {
	if err := Unsupported(); err != nil {
		return nil, err
	}
	n, err := layOut(s)
	if err != nil {
		return nil, err
	}
	if err := n.make(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make the network of %s: %w", s.Name, err), n.Close())
	}
	return n, nil
}

// make brings up what layOut drew: the namespaces, then the links between them, and
// then each end of these by itself.
func (n *Network) make(ctx context.Context) error {
	if err := each(n.machines(), (*machine).open); err != nil {
		return err
	}
	if err := each(n.allSwitches(), func(s *Switch) error { return n.plug(ctx, s) }); err != nil {
		return err
	}
	neighbours := n.neighbours()
	var work errgroup.Group
	work.SetLimit(parallel())
	for _, s := range n.allSwitches() {
		work.Go(func() error { return n.setUpSwitch(ctx, s, neighbours) })
	}
	for _, h := range n.allHosts() {
		work.Go(func() error { return n.setUpHost(ctx, h) })
	}
	if err := work.Wait(); err != nil {
		return err
	}
	return each(n.links(), func(l *link) error { return l.waitUp(ctx) })
}

// each calls f for all things, some at a time, and returns the first error.
func each[T any](things []T, f func(T) error) error {
	var work errgroup.Group
	work.SetLimit(parallel())
	for _, thing := range things {
		work.Go(func() error { return f(thing) })
	}
	return work.Wait()
}

// parallel is how many programs that set things up run at a time: they wait for the
// kernel more than they work.
func parallel() int { return 4 * runtime.NumCPU() }

// Host is a host of the scenario, nil if there is none of that name.
func (n *Network) Host(node unit.NodeID) *Host { return n.hosts[node] }

// Store is the host of the coordination store: at the root, on an unlimited link.
func (n *Network) Store() *Host { return n.store }

// Switch is that of a location, nil if the scenario has no such location.
func (n *Network) Switch(loc unit.Location) *Switch { return n.switches[loc] }

// Close ends what still runs in the network, and the network. It may be called
// more than once.
func (n *Network) Close() error {
	n.close.Do(func() {
		n.faults.Lock()
		defer n.faults.Unlock()
		for _, l := range n.links() {
			n.err = errors.Join(n.err, l.stopDelay())
		}
		for _, m := range n.machines() {
			n.err = errors.Join(n.err, m.shut())
		}
	})
	return n.err
}

// allHosts are those of the scenario and that of the store.
func (n *Network) allHosts() []*Host { return append(slices.Clone(n.order), n.store) }

// allSwitches are in no order.
func (n *Network) allSwitches() []*Switch {
	all := make([]*Switch, 0, len(n.switches))
	for _, s := range n.switches {
		all = append(all, s)
	}
	return all
}

func (n *Network) machines() []*machine {
	var all []*machine
	for _, s := range n.switches {
		all = append(all, &s.machine)
	}
	for _, h := range n.allHosts() {
		all = append(all, &h.machine)
	}
	return all
}

func (n *Network) links() []*link {
	var all []*link
	for _, s := range n.switches {
		if s.uplink != nil {
			all = append(all, s.uplink)
		}
	}
	for _, h := range n.allHosts() {
		all = append(all, h.link)
	}
	return all
}
