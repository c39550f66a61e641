package links

import (
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// oursFor is how far back what the fleet has moved is remembered: further than
// devices go between two refreshes of their counters.
const oursFor = 90 * time.Second

// ours is what all nodes of the fleet say that they have moved over a link, on the
// wire.
type ours struct {
	nodes map[unit.NodeID]*track
	total bandwidth.Moved // since the first claims were read
}

func newOurs() *ours { return &ours{nodes: map[unit.NodeID]*track{}} }

// track is what one node says: sums at times, the oldest first.
type track struct{ points []point }

type point struct {
	at    unit.Time
	moved bandwidth.Moved
}

// add takes the claims as they were read at now.
func (o *ours) add(now unit.Time, claims []store.LinkClaim) {
	for _, c := range claims {
		t := o.nodes[c.Node]
		if t == nil {
			t = &track{}
			o.nodes[c.Node] = t
		}
		more := t.add(point{now.Add(-c.Age), bandwidth.Moved{Up: c.MovedUp, Down: c.MovedDown}})
		o.total.Up += more.Up
		o.total.Down += more.Down
	}
	for node, t := range o.nodes {
		t.trim(now)
		if now.Sub(t.points[len(t.points)-1].at) > oursFor {
			delete(o.nodes, node)
		}
	}
}

// sameClaim is how far apart the times of one claim may be that is read twice.
const sameClaim = 20 * time.Millisecond

// add takes a point that is not known yet, and returns what was moved since the last
// one. A sum that shrank has begun anew.
func (t *track) add(p point) (more bandwidth.Moved) {
	if n := len(t.points); n > 0 {
		last := t.points[n-1]
		if p.at.Sub(last.at) < sameClaim {
			return bandwidth.Moved{}
		}
		more = bandwidth.Moved{Up: p.moved.Up - last.moved.Up, Down: p.moved.Down - last.moved.Down}
		if min(more.Up, more.Down) < 0 {
			t.points, more = nil, bandwidth.Moved{}
		}
	}
	t.points = append(t.points, p)
	return more
}

func (t *track) trim(now unit.Time) {
	for len(t.points) > 1 && now.Sub(t.points[1].at) > oursFor {
		t.points = t.points[1:]
	}
}

// at is the sum at a time, in between two points as if it had grown evenly.
func (t *track) at(at unit.Time) bandwidth.Moved {
	for i := len(t.points) - 1; i >= 0; i-- {
		p := t.points[i]
		if p.at > at {
			continue
		}
		if i == len(t.points)-1 {
			return p.moved
		}
		next := t.points[i+1]
		part := float64(at-p.at) / float64(next.at-p.at)
		return bandwidth.Moved{
			Up:   p.moved.Up + unit.Bytes(part*float64(next.moved.Up-p.moved.Up)),
			Down: p.moved.Down + unit.Bytes(part*float64(next.moved.Down-p.moved.Down)),
		}
	}
	return t.points[0].moved
}

// between is what the fleet has moved from one time to another.
func (o *ours) between(from, to unit.Time) (sum bandwidth.Moved) {
	for _, t := range o.nodes {
		a, b := t.at(from), t.at(to)
		sum.Up += b.Up - a.Up
		sum.Down += b.Down - a.Down
	}
	return sum
}

// unsure is how many shifts of time others are computed for.
const unsure = 4

// others is what others than the fleet use, up and down, of a use of the link. When
// within its refresh interval the device took its counters is not known, so that what
// the fleet moves is subtracted for any time that it may have been. before, what
// others used so far, stays within that: a fleet that changes its rate must not take
// its own change for one of others, and swing.
func (o *ours) others(u bandwidth.Use, refresh time.Duration, before rates) rates {
	least, most := rates{unit.Unlimited, unit.Unlimited}, rates{}
	if refresh == 0 {
		refresh = probe.MinInterval // not known yet, and hardly less
	}
	for i := range unsure + 1 {
		end := u.At.Add(-refresh * time.Duration(i) / unsure)
		up, down := u.Others(o.between(end.Add(-u.Over), end))
		least = rates{min(least.up, up), min(least.down, down)}
		most = rates{max(most.up, up), max(most.down, down)}
	}
	return rates{min(max(before.up, least.up), most.up), min(max(before.down, least.down), most.down)}
}

// rates are those of both directions of a link.
type rates struct{ up, down unit.Rate }
