package topo

import (
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Distance is the number of location uplinks between a and b: zero within one
// location, two between two racks of a datacenter.
func Distance(a, b unit.Location) int {
	return a.Depth() + b.Depth() - 2*a.Common(b).Depth()
}

// Hop is one direction of one link that bytes cross: the own link of Node, or
// the uplink of Location if Node is empty.
type Hop struct {
	Location unit.Location
	Node     unit.NodeID
	Up       bool
}

// Path returns the links from one host to another in the order in which bytes
// cross them; none from a host to itself.
func (t *Tree) Path(from, to unit.NodeID) ([]Hop, error) {
	a, okFrom := t.hosts[from]
	b, okTo := t.hosts[to]
	switch {
	case !okFrom:
		return nil, unknownHost(from)
	case !okTo:
		return nil, unknownHost(to)
	}
	var up, down []Hop
	for a != b {
		// Parents have lower indices, so the higher one is not above the other.
		if a > b {
			up = append(up, t.hop(a, true))
			a = t.vertices[a].parent
		} else {
			down = append(down, t.hop(b, false))
			b = t.vertices[b].parent
		}
	}
	slices.Reverse(down)
	return append(up, down...), nil
}

func (t *Tree) hop(i int, up bool) Hop {
	v := t.vertices[i]
	return Hop{Location: v.location, Node: v.node, Up: up}
}

// Capacity is how much a hop carries, in bytes per second on the wire.
func (t *Tree) Capacity(h Hop) unit.Rate {
	link := t.Uplink(h.Location)
	if host, ok := t.Host(h.Node); ok {
		link = host.Link
	}
	if h.Up {
		return link.Up
	}
	return link.Down
}

func unknownHost(node unit.NodeID) error {
	return fmt.Errorf("host %s is not in the topology", node)
}
