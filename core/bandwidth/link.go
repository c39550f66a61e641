package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// A measurement counts in full until it is freshFor old. From then on what it
// leaves shrinks linearly, until at staleAfter the floor is left.
const (
	freshFor   = 5 * time.Second
	staleAfter = 15 * time.Second
)

// The floor of a link is floorRate, or floorPart of its capacity if that is less.
const (
	floorRate unit.Rate = 1e6
	floorPart Part      = 0.02
)

// DefaultReserve stays free on each link: queueing begins at about 80% of use.
const DefaultReserve Part = 0.2

// Policy says how much of a link may be used. The zero Policy lets nothing pass;
// begin with DefaultPolicy.
type Policy struct {
	// Reserve is the part of the capacity that stays free of all traffic, from 0
	// to 1.
	Reserve Part
	// Ceiling is the part of the capacity up to which we may fill the link together
	// with others, from 0 (nothing of ours) to 1 (no ceiling). Unlike the reserve
	// it leaves no floor when others fill it alone.
	Ceiling Part
	// Limit is the operator's for the location, in bytes per second: unit.Unlimited
	// if there is none, 0 for nothing.
	Limit unit.Rate
}

// DefaultPolicy has the default reserve and nothing else.
func DefaultPolicy() Policy {
	return Policy{Reserve: DefaultReserve, Ceiling: 1, Limit: unit.Unlimited}
}

// LinkUse is what is known of one direction of a link that somebody declared.
type LinkUse struct {
	// Capacity is the operator's or the device's, in bytes per second; 0 if it is
	// not known. unit.Unlimited is a link that never limits.
	Capacity unit.Rate
	// Undeclared: Capacity is not known as nobody says it, and nobody is to measure it.
	Undeclared bool
	// Sensor: somebody is to measure the link. Otherwise only Capacity counts, and
	// all of it is taken to be ours.
	Sensor bool
	// Measured: Others and Age are those of a measurement.
	Measured bool
	Others   unit.Rate     // what others than the fleet use
	Age      time.Duration // below 0 counts as 0
}

// Others returns what others than the fleet used of a link, of its whole use and
// of what the fleet moved over it in the same time (in bytes on the wire).
func (u Use) Others(own Moved) (up, down unit.Rate) {
	return max(u.Up-own.Up.Per(u.Over), 0), max(u.Down-own.Down.Per(u.Over), 0)
}

// FloorOf is the safe low limit of a link, by its capacity (0 if not known).
func FloorOf(capacity unit.Rate) unit.Rate {
	if capacity <= 0 {
		return floorRate
	}
	return min(floorRate, max(floorPart.of(capacity), 1))
}

// Budget is what the fleet together may move over hop. It is at least the floor,
// unless the policy's ceiling or limit is lower; and never unlimited, unless the
// capacity is.
func (p Policy) Budget(hop topo.Hop, u LinkUse) Budget {
	b := Least(p.spare(hop, u), p.ceiling(hop, u))
	return b.AtMost(max(p.Limit, 0), Group)
}

// spare is what the reserve and others leave, at least the floor.
func (p Policy) spare(hop topo.Hop, u LinkUse) Budget {
	b := Binding{Reason: Reserve, Hop: hop, Capacity: u.Capacity, Part: clampPart(p.Reserve)}
	floor := FloorOf(u.Capacity)
	switch {
	case u.Capacity == unit.Unlimited && !(u.Sensor && !u.Measured):
		return NoLimit(hop)
	case u.Capacity <= 0 && u.Undeclared:
		b.Reason, b.Rate = Undeclared, floor
		return NewBudget(b)
	case u.Capacity <= 0, u.Sensor && !u.Measured:
		b.Reason, b.Rate = Unmeasured, floor
		return NewBudget(b)
	}
	if u.Sensor {
		b.Others, b.Age = max(u.Others, 0), max(u.Age, 0)
	}
	b.Rate = (1 - b.Part).of(u.Capacity) - b.Others
	if b.Rate <= floor {
		b.Reason, b.Rate = Floor, floor
	} else if b.Age > freshFor {
		b.Reason, b.Rate = Stale, floor+remaining(b.Age).of(b.Rate-floor)
	}
	return NewBudget(b)
}

// ceiling is what others leave below the impact ceiling. While the capacity or
// the use is not known the floor of spare counts; a ceiling of 0 counts always.
func (p Policy) ceiling(hop topo.Hop, u LinkUse) Budget {
	b := Binding{Reason: Ceiling, Hop: hop, Capacity: u.Capacity, Part: clampPart(p.Ceiling), Rate: unit.Unlimited}
	if u.Sensor && u.Measured {
		b.Others, b.Age = max(u.Others, 0), max(u.Age, 0)
	}
	switch {
	case b.Part == 0:
		b.Rate = 0
	case b.Part < 1 && u.Capacity > 0 && u.Capacity < unit.Unlimited:
		b.Rate = b.Part.of(u.Capacity) - b.Others
	}
	return NewBudget(b)
}

// remaining is the part of a measurement's spare above the floor that its age
// leaves.
func remaining(age time.Duration) Part {
	return clampPart(Part(staleAfter-age) / Part(staleAfter-freshFor))
}
