package overlay

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// supplyTime is how long a node finds its supply changed before it says so.
	supplyTime = time.Second
	// maxRepresentatives bounds the group above: all of its members connect to
	// each other.
	maxRepresentatives = 16
)

// supply is what members of a location give each other.
type supply struct {
	starving bool      // this node gets too little of what others in the location have
	since    unit.Time // when that was found to be otherwise; 0 if it is not
	// short: half of the members were starving at a time. The number of
	// representatives follows from that (requirement 23: what they can give inside,
	// per what they bring in), and it stays so until the transfer is over: what
	// comes in helps those first who bring it.
	short bool
}

// Supply takes into account whether the members of the location at a depth give
// this node too little.
func (o *Overlay) Supply(now unit.Time, starving func(depth int) bool) {
	for i := range o.levels[:len(o.levels)-1] {
		l := &o.levels[i]
		if !l.joined || starving(l.location.Depth()) == l.supply.starving {
			l.supply.since = 0
			continue
		}
		if l.supply.since == 0 {
			l.supply.since = now
		}
		if now.Sub(l.supply.since) < supplyTime || o.down {
			continue
		}
		l.supply.starving, l.supply.since = !l.supply.starving, 0
		l.refreshAt = now
		if o.wantsSlot(i) && l.countAt == unit.Never {
			l.countAt = now.Add(o.rand.Jitter(settleJitter))
		}
	}
}

// short notes that level i's location is, and has the groups above be told.
func (o *Overlay) short(now unit.Time, i int) {
	o.levels[i].supply.short = true
	for j := i + 1; j < len(o.levels); j++ {
		if l := &o.levels[j]; l.joined && !o.down {
			l.refreshAt = now
		}
	}
}

// record is the node's own in the group of level i.
func (o *Overlay) record(i int) Member {
	self := o.self
	self.Starving = o.levels[i].supply.starving
	self.Distrusts = o.accused(i)
	for _, l := range o.levels[:i] {
		self.Starving = self.Starving || l.supply.short
	}
	return self
}

// starves reports whether half of the members starve. Where an initial seeder is
// a member what they wait for does not come from outside.
func (g Group) starves() bool {
	n := 0
	for _, m := range g.Members {
		if m.Initial {
			return false
		}
		if m.Starving {
			n++
		}
	}
	return n > 1 && 2*n >= len(g.Members)
}

// slots is how many representatives the node thinks that its location should
// have: one more than there are if it starves as others do.
func (l *level) slots() int {
	n := l.group.slots()
	if l.supply.short && l.supply.starving && l.slot < 0 {
		n = max(n, min(l.group.holders()+1, len(l.group.Members), maxRepresentatives))
	}
	return n
}
