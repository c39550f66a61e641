package network

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

func (n *Network) uplink(loc unit.Location) (*link, error) {
	s := n.switches[loc]
	if s == nil || s.uplink == nil {
		return nil, fmt.Errorf("the network has no uplink of location %s", loc)
	}
	return s.uplink, nil
}

func (n *Network) host(node unit.NodeID) (*Host, error) {
	h := n.hosts[node]
	if h == nil {
		return nil, fmt.Errorf("the network has no host %s", node)
	}
	return h, nil
}

// SetLink gives a location's uplink other capacities, as it runs.
func (n *Network) SetLink(loc unit.Location, capacity topo.Link) error {
	l, err := n.uplink(loc)
	if err != nil {
		return err
	}
	return n.change(l, func() { l.capacity = capacity })
}

// SetHostLink gives a host's own link other capacities, as it runs.
func (n *Network) SetHostLink(node unit.NodeID, capacity topo.Link) error {
	h, err := n.host(node)
	if err != nil {
		return err
	}
	return n.change(h.link, func() { h.link.capacity = capacity })
}

// Partition lets nothing pass a location's uplink, until Heal: packets are lost and
// nobody is told.
func (n *Network) Partition(loc unit.Location) error {
	l, err := n.uplink(loc)
	if err != nil {
		return err
	}
	return n.change(l, func() { l.cut = true })
}

// Heal ends a Partition.
func (n *Network) Heal(loc unit.Location) error {
	l, err := n.uplink(loc)
	if err != nil {
		return err
	}
	return n.change(l, func() { l.cut = false })
}

// change sets a link up again after a change of what it lets pass.
func (n *Network) change(l *link, change func()) error {
	n.faults.Lock()
	defer n.faults.Unlock()
	change()
	var lower, upper script
	lower.lower(l)
	upper.upper(l)
	ctx := context.Background()
	return errors.Join(l.lower.on.apply(ctx, &lower), l.upper.on.apply(ctx, &upper))
}

// Move plugs a host's cable in at another location's switch. The host keeps its
// address, and its link what it lets pass.
func (n *Network) Move(node unit.NodeID, to unit.Location) error {
	h, err := n.host(node)
	if err != nil {
		return err
	}
	target := n.switches[to]
	if target == nil {
		return fmt.Errorf("move host %s: the network has no location %s", node, to)
	}
	n.faults.Lock()
	defer n.faults.Unlock()
	if h.at == target {
		return nil
	}
	if err := n.move(h, target); err != nil {
		return fmt.Errorf("move host %s to %s: %w", node, to, err)
	}
	return nil
}

// move is called with the lock held.
func (n *Network) move(h *Host, to *Switch) error {
	ctx := context.Background()
	old := h.link.upper
	if err := unplug(ctx, old, to); err != nil {
		return err
	}
	h.at = to
	h.link.moved(end{&to.machine, h.name})
	var todo script
	fmt.Fprintf(&todo.ip, "link set dev %s address %s\n", h.name, to.hardware())
	todo.upper(h.link)
	todo.host(to, h)
	err := to.apply(ctx, &todo)
	for _, s := range n.allSwitches() {
		var todo script
		fmt.Fprintf(&todo.ip, "neigh replace %s lladdr %s dev %s nud permanent\n", h.Address, to.hardware(), bridgeDevice)
		err = errors.Join(err, s.apply(ctx, &todo))
	}
	if err = errors.Join(err, n.setGateway(ctx, h)); err != nil {
		return err
	}
	return h.link.waitUp(ctx)
}

// setGateway has a host send everything to its switch.
func (n *Network) setGateway(ctx context.Context, h *Host) error {
	var todo script
	todo.ip.WriteString(n.gateways(h))
	return h.apply(ctx, &todo)
}

// unplug takes an interface out of a switch and into another's namespace. Its
// counters stay.
func unplug(ctx context.Context, e end, to *Switch) error {
	var todo script
	fmt.Fprintf(&todo.nft, "flush chain netdev lab %s\ndelete chain netdev lab %[1]s\n", e.name)
	fmt.Fprintf(&todo.ip, "link set dev %s netns %s\n", e.name, to.path())
	return e.on.apply(ctx, &todo)
}

// moved makes e the upper end.
func (l *link) moved(e end) {
	l.was = append(slices.DeleteFunc(l.was, func(w end) bool { return w == e }), l.upper)
	l.upper = e
}
