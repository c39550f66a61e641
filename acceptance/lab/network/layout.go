package network

import (
	"fmt"
	"net/netip"
	"runtime"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// perBlock is how many machines have addresses in a block of 256.
const perBlock = 250

// Blocks of addresses, the third number in 10.77.x.y. The store is alone in its own.
const (
	storeBlock  = 0
	hostBlock   = 1
	switchBlock = 240
	endBlock    = 256
)

const (
	maxHosts    = (switchBlock - hostBlock) * perBlock
	maxSwitches = (endBlock - switchBlock) * perBlock
)

func address(block, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, byte(block + i/perBlock), byte(1 + i%perBlock)})
}

// layOut draws the network of a scenario and makes nothing.
func layOut(s *scenario.Scenario) (*Network, error) {
	if len(s.Hosts) > maxHosts || len(s.Locations) >= maxSwitches {
		return nil, fmt.Errorf("%s has %d hosts in %d locations: at most %d in %d have addresses",
			s.Name, len(s.Hosts), len(s.Locations), maxHosts, maxSwitches-1)
	}
	root := &Switch{machine: machine{Address: address(switchBlock, 0)}}
	n := &Network{switches: map[unit.Location]*Switch{unit.Root: root}, hosts: map[unit.NodeID]*Host{}}
	for _, l := range s.Locations {
		if err := n.drawLocation(l); err != nil {
			return nil, err
		}
	}
	for i, h := range s.Hosts {
		at, ok := n.switches[h.Location]
		if !ok {
			return nil, fmt.Errorf("host %s is in location %s, which the scenario does not list", h.Node, h.Location)
		}
		host := &Host{Node: h.Node, at: at, name: fmt.Sprintf("h%d", i+1)}
		host.Address = address(hostBlock, i)
		host.link = newLink(end{&host.machine, "eth0"}, end{&at.machine, host.name}, scenario.Location{Uplink: h.Link})
		n.hosts[h.Node] = host
		n.order = append(n.order, host)
	}
	n.store = &Host{at: root, name: "store"}
	n.store.Address = address(storeBlock, 0)
	n.store.link = newLink(end{&n.store.machine, "eth0"}, end{&root.machine, n.store.name}, scenario.Location{Uplink: topo.Unlimited})
	n.steer(runtime.NumCPU())
	return n, nil
}

func (n *Network) drawLocation(l scenario.Location) error {
	parent, ok := n.switches[l.Location.Parent()]
	if !ok {
		return fmt.Errorf("location %s comes before the one above it", l.Location)
	}
	i := len(n.switches)
	s := &Switch{Location: l.Location, parent: parent, name: fmt.Sprintf("l%d", i)}
	s.Address, s.number = address(switchBlock, i), i
	s.uplink = newLink(end{&s.machine, "uplink"}, end{&parent.machine, s.name}, l)
	n.switches[l.Location] = s
	return nil
}
