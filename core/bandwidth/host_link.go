package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// HostLink is what is known of a node's own link: what its interface carries, and
// what others than the agent use of it (requirement 39). Rates are on the wire.
//
// A HostLink is owned by one goroutine.
type HostLink struct {
	said     [2]unit.Rate // down and up, by people; 0 if they say nothing
	speed    unit.Rate    // the interface's, 0 if it tells none
	others   [2]unit.Rate // down and up
	measured bool
	at       unit.Time // of others
}

const (
	// The counters of the interface and of the agent are read one after the other, and
	// bytes wait between them: so large a part of the agent's own rate may seem to be
	// others'.
	unsurePart Part = 0.05
	// othersStep is the part of a capacity to which others' use is rounded up, so that
	// a budget does not change with every packet.
	othersStep Part = 1. / 256
)

// NewHostLink returns a link of which nothing is measured. Up and down are the
// capacities that people say, in place of the interface's speed; 0 if they say none,
// unit.Unlimited for a link that never limits.
func NewHostLink(up, down unit.Rate) *HostLink { return &HostLink{said: [2]unit.Rate{down, up}} }

// Speed notes what the interface says of its speed, 0 if it says none.
func (l *HostLink) Speed(r unit.Rate) { l.speed = r }

// Use notes how much of the link was used. A use without an interface tells nothing.
func (l *HostLink) Use(u HostUse) {
	if u.Interface == "" {
		return
	}
	l.others[0] = settle(l.others[0], u.OthersDown, u.OwnDown)
	l.others[1] = settle(l.others[1], u.OthersUp, u.OwnUp)
	l.measured, l.at = true, u.At
}

// settle is what others use, of what it was before and of what was seen now beside
// the agent's own rate: what may be the agent's own is not taken for theirs.
func settle(before, seen, own unit.Rate) unit.Rate {
	return min(max(before, seen-unsurePart.of(own)), seen)
}

// Capacity is what the link carries in a direction, 0 if that is not known.
func (l *HostLink) Capacity(up bool) unit.Rate {
	if said := l.said[index(up)]; said > 0 {
		return said
	}
	return l.speed
}

func index(up bool) int {
	if up {
		return 1
	}
	return 0
}

// Others is what others than the agent use of the link in a direction, as it was
// measured last; 0 if it never was.
func (l *HostLink) Others(up bool) unit.Rate { return l.others[index(up)] }

// LinkUse is what is known of a direction of the link at now; false if it does not
// limit, or nobody knows what it carries.
func (l *HostLink) LinkUse(now unit.Time, up bool) (LinkUse, bool) {
	u := LinkUse{Capacity: l.Capacity(up), Sensor: true, Measured: l.measured}
	if u.Capacity <= 0 || u.Capacity == unit.Unlimited {
		return LinkUse{}, false
	}
	if l.measured {
		u.Others = roundUp(l.others[index(up)], othersStep.of(u.Capacity))
		if age := now.Sub(l.at); age > freshFor { // a budget is the same while it is fresh
			u.Age = age
		}
	}
	return u, true
}

// roundUp rounds a rate up to whole steps, if there are any.
func roundUp(r, step unit.Rate) unit.Rate {
	if step <= 0 {
		return r
	}
	return (r + step - 1) / step * step
}

// Budget is what all traffic of the agent may use of the link in hop's direction. A
// link of which nobody knows what it carries limits nothing.
func (l *HostLink) Budget(now unit.Time, hop topo.Hop, p Policy) Budget {
	use, ok := l.LinkUse(now, hop.Up)
	if !ok {
		return NoLimit(hop)
	}
	return p.Budget(hop, use)
}

// Age is how old the measurement is; false if there is none.
func (l *HostLink) Age(now unit.Time) (time.Duration, bool) {
	return max(now.Sub(l.at), 0), l.measured
}
