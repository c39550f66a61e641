package links

import (
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// wirePerPayload is what block payload takes on a link: frames, TCP, TLS, and the
	// messages of the protocol, which are a hundredth at most.
	wirePerPayload = 1.01 / topo.Goodput
	// acksPerPayload is what goes the other way for it: an acknowledgement of 66 bytes
	// for every second segment at most.
	acksPerPayload = 66. / (2 * 1448)
)

// onWire is what payload in both directions is on a link.
func onWire(payload bandwidth.Moved) bandwidth.Moved {
	up, down := float64(payload.Up), float64(payload.Down)
	return bandwidth.Moved{
		Up:   unit.Bytes(up*wirePerPayload + down*acksPerPayload),
		Down: unit.Bytes(down*wirePerPayload + up*acksPerPayload),
	}
}

// ofPayload is the budget of payload that a budget of a link leaves.
func ofPayload(b bandwidth.Budget) bandwidth.Budget {
	if b.Rate == unit.Unlimited || b.Rate == 0 {
		return b
	}
	b.Binding.Rate = max(unit.Rate(float64(b.Rate)/wirePerPayload), 1)
	return bandwidth.NewBudget(b.Binding)
}
