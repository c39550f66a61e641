package rackswarm

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// countInterval is how often the agents are asked how much they have moved:
// seldom, as it costs them time.
const countInterval = time.Second

// counts are the bytes of an agent. What it says begins anew when it starts, and
// when it leaves the transfer and comes back.
type counts struct{ before, now tally }

type tally struct{ received, duplicate, sent unit.Bytes }

func (t tally) plus(u tally) tally {
	return tally{t.received + u.received, t.duplicate + u.duplicate, t.sent + u.sent}
}

// restart says that what follows counts from zero.
func (c *counts) restart() { c.before, c.now = c.before.plus(c.now), tally{} }

// note takes what the agent says now.
func (c *counts) note(t tally) {
	if t.received < c.now.received || t.sent < c.now.sent {
		c.restart()
	}
	c.now = t
}

func (c *counts) sum() (received, duplicate, sent unit.Bytes) {
	s := c.before.plus(c.now)
	return s.received, s.duplicate, s.sent
}

// tallyOf adds up what a transfer has had to do with its peers.
func tallyOf(t api.Transfer) tally {
	var sum tally
	for _, p := range t.Peers {
		sum = sum.plus(tally{unit.Bytes(p.Down), unit.Bytes(p.Duplicate), unit.Bytes(p.Up)})
	}
	return sum
}

// count asks all agents until ctx ends.
func (f *Fleet) count(ctx context.Context) {
	tick := time.NewTicker(countInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.countOnce(ctx)
		}
	}
}

func (f *Fleet) countOnce(ctx context.Context) {
	for _, a := range f.order {
		if a.running() {
			a.count(ctx)
		}
	}
}

// count asks one agent. One that does not answer starts or ends, and what it
// said before counts.
func (a *agent) count(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, countInterval)
	defer cancel()
	list, err := a.client.Transfers(ctx, "")
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range list.Transfers {
		if t.Digest == a.fleet.seeders()[0].digest { // or the agent has left it
			a.counts.note(tallyOf(t))
		}
	}
}
