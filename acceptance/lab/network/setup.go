package network

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// bridgeDevice is the interface of a switch that has its address.
const bridgeDevice = "br0"

// plug makes the bridge of a switch and the links to all below it, whose lower ends
// come to lie in the namespaces of these. The bridge is for the links to other switches;
// to and from its hosts a switch routes: see Network.gateways.
func (n *Network) plug(ctx context.Context, s *Switch) error {
	var lines strings.Builder
	fmt.Fprintf(&lines, "link set lo up\nlink add %s address %s type bridge stp_state 0 mcast_snooping 0\n", bridgeDevice, s.hardware())
	pair := func(l *link, upper, lower string) {
		fmt.Fprintf(&lines, "link add name %s %s type veth peer name %s %s netns %s\n", l.upper.name, upper, l.lower.name, lower, l.lower.on.path())
	}
	for _, h := range n.allHosts() {
		if h.at == s {
			pair(h.link, "address "+s.hardware(), "address "+h.hardware())
		}
	}
	for _, below := range n.below(s) {
		if below.uplink.rtt == 0 {
			pair(below.uplink, "", "")
		} else if err := below.uplink.startDelay(); err != nil {
			return err
		}
	}
	return s.run(ctx, lines.String(), "ip", "-batch", "-")
}

func (n *Network) below(s *Switch) []*Switch {
	var all []*Switch
	for _, other := range n.switches {
		if other.parent == s {
			all = append(all, other)
		}
	}
	return all
}

// setUpSwitch joins the interfaces that plug made into the bridge, shapes what they
// send and counts what they receive.
func (n *Network) setUpSwitch(ctx context.Context, s *Switch, neighbours string) error {
	var todo script
	todo.own(&s.machine, bridgeDevice, neighbours)
	if s.uplink != nil {
		todo.port(s.uplink.lower.name, true)
		todo.lower(s.uplink)
	}
	for _, h := range n.allHosts() {
		if h.at == s {
			todo.upper(h.link)
			todo.host(s, h)
		}
	}
	for _, below := range n.below(s) {
		todo.port(below.name, false)
		todo.upper(below.uplink)
		n.whereAll(&todo, below, below.name)
	}
	return s.apply(ctx, &todo)
}

// whereAll tells a bridge that all in s and below it are behind a port.
func (n *Network) whereAll(todo *script, s *Switch, port string) {
	todo.where(&s.machine, port)
	for _, other := range n.switches {
		if other != s && s.Location.Contains(other.Location) {
			todo.where(&other.machine, port)
		}
	}
}

func (n *Network) setUpHost(ctx context.Context, h *Host) error {
	var todo script
	todo.ip.WriteString("link set lo up\n")
	todo.lower(h.link)
	todo.own(&h.machine, h.link.lower.name, n.gateways(h))
	// There is nothing beyond, but a host knows its interface by its default route.
	fmt.Fprintf(&todo.ip, "route add default dev %s\n", h.link.lower.name)
	return h.apply(ctx, &todo)
}

// own gives a machine its address, and tells it by neighbours where all others are: it
// need not ask for them, which would cross every link. Its connections use cubic by their
// route: only the first namespace of a kernel may choose any algorithm as the default.
func (s *script) own(m *machine, device, neighbours string) {
	fmt.Fprintf(&s.ip, "addr add %s/16 dev %s noprefixroute\nlink set dev %[2]s up\n", m.Address, device)
	fmt.Fprintf(&s.ip, "route add 10.77.0.0/16 dev %s src %s congctl cubic\n", device, m.Address)
	s.ip.WriteString(neighbours)
}

// neighbours are the lines for ip that tell a switch where all machines are: hosts behind
// their switches, its own ones it knows besides by their routes. They are the same for
// all switches, and as many as there are machines.
func (n *Network) neighbours() string {
	at := map[*machine]*machine{}
	for _, h := range n.allHosts() {
		at[&h.machine] = &h.at.machine
	}
	return n.reached(bridgeDevice, func(m *machine) *machine { return cmp.Or(at[m], m) })
}

// gateways are the lines for ip that tell a host that all machines are its switch, which
// routes what the host sends: to route a packet is to part it from the socket that sent
// it. A bridge in the same kernel does not, and the socket would hold back what comes
// behind (TCP small queues) while the packet waits for a location's uplink, as if that
// were the host's own interface.
func (n *Network) gateways(h *Host) string {
	return n.reached(h.link.lower.name, func(*machine) *machine { return &h.at.machine })
}

// reached are the lines for ip that say to which machine on a device a packet for each
// machine is sent.
func (n *Network) reached(device string, by func(*machine) *machine) string {
	var lines strings.Builder
	for _, m := range n.machines() {
		fmt.Fprintf(&lines, "neigh replace %s lladdr %s dev %s nud permanent\n", m.Address, by(m).hardware(), device)
	}
	return lines.String()
}

func (s *script) lower(l *link) { s.end(l.lower, l.capacity.Up, l.blockedDown(), l.loss) }
func (s *script) upper(l *link) { s.end(l.upper, l.capacity.Down, l.blockedUp(), l.loss) }

// host tells a switch that a host is at the interface of its name.
func (s *script) host(at *Switch, h *Host) {
	fmt.Fprintf(&s.ip, "route replace %s/32 dev %s src %s\nneigh replace %[1]s lladdr %[4]s dev %[2]s nud permanent\n", h.Address, h.name, at.Address, h.hardware())
}

// where tells a bridge that a machine is behind a port.
func (s *script) where(m *machine, port string) {
	fmt.Fprintf(&s.bridge, "fdb replace %s dev %s master static\n", m.hardware(), port)
}
