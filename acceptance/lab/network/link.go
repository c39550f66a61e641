package network

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
)

// link is what joins a machine to the switch above it. What the machine sends is
// Up, what it gets is Down. The two ends are those of a veth pair, or two TAPs if
// the link has a delay.
type link struct {
	lower, upper end
	// was are the upper ends that the link had before it was moved: what they
	// counted stays.
	was      []end
	capacity topo.Link
	rtt      time.Duration
	loss     float64 // share of the packets, each way
	cut      bool    // nothing passes
	delay    *delay  // nil if there is none
}

// end is an interface of a machine.
type end struct {
	on   *machine
	name string
}

func newLink(lower, upper end, l scenario.Location) *link {
	return &link{lower: lower, upper: upper, capacity: l.Uplink, rtt: l.RTT, loss: l.Loss}
}

// waitUp waits until packets pass.
func (l *link) waitUp(ctx context.Context) error {
	for _, e := range []end{l.lower, l.upper} {
		if err := e.on.waitUp(ctx, e.name); err != nil {
			return err
		}
	}
	return nil
}

// stopDelay ends what holds the packets back.
func (l *link) stopDelay() error {
	if l.delay == nil {
		return nil
	}
	return l.delay.Close()
}

// blockedUp reports whether nothing may arrive at the upper end.
func (l *link) blockedUp() bool   { return l.cut || l.capacity.Up == 0 }
func (l *link) blockedDown() bool { return l.cut || l.capacity.Down == 0 }
