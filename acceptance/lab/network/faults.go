package network

import (
	"fmt"

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
