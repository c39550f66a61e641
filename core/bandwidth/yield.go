package bandwidth

import (
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// heldOver is the time constant of the mean that says whether who leaves is held,
	// and heldOften the part of the looks at which it is, from which room is made.
	heldOver  = 200 * time.Millisecond
	heldOften = 0.5
	// fallsIn and risesIn are the times in which the pace changes by a factor of e.
	fallsIn = time.Second
	risesIn = 1500 * time.Millisecond
	// yieldLeast is the part of an equal share of what the host sends that is left to
	// each connection that stays inside.
	yieldLeast = 0.5
	// A connection may be held by something else than this host's interface, such as a
	// class of its queue for what leaves a site. If together all move less than roomUsed
	// of the most for roomFor, nobody uses the room, and none is made for roomRests.
	roomUsed  = 0.5
	roomFor   = 2 * time.Second
	roomRests = 10 * time.Second
	// yieldEnds is by how many times the pace may exceed what the fastest inside moves:
	// beyond that it holds back nobody, and ends.
	yieldEnds = 2
)

// Yield has the connections that stay inside a location make room on this host's own
// link for those that leave it (requirement 41), where nothing is known of that link or
// of an uplink above it: over known links a Guard's pace is what a connection waits for.
// TCP divides a full interface alike among connections, so that a representative which
// gives a span to each of three neighbours has a quarter left for the next rack, although
// each of the neighbours could give it to the others.
//
// A Yield is owned by one goroutine; times must not go back.
type Yield struct {
	at   unit.Time
	held float64   // part of the looks of late
	pace float64   // bytes per second, 0 while nobody makes room
	peak unit.Rate // of all together, since there is one
	rest unit.Time // before it no room is made
	// unused is for how long nobody has used the room.
	unused time.Duration
}

// YieldSample is what is seen of a host's connections at a time. Rates are of payload.
type YieldSample struct {
	At unit.Time
	// Held says that one that leaves the location has data to send and window to send it
	// in, but stands in line behind others at the host's own interface.
	Held bool
	// Inside is the rate of the fastest that stays, Total of all together.
	Inside, Total unit.Rate
	// Leaving is how many leave it, Connections how many send in all.
	Leaving, Connections int
}

// Pace takes a look into account and returns what each connection that stays inside
// may send: unit.Unlimited while there is enough for all or nothing leaves, and at least
// half of an equal share of the most that the host has sent since it makes room. Where
// that gains nothing this bounds what it costs, and it ends, for roomRests at least.
func (y *Yield) Pace(l YieldSample) unit.Rate {
	passed := min(l.At.Sub(y.at), heldOver)
	y.at = l.At
	left := math.Exp(-passed.Seconds() / heldOver.Seconds())
	if y.held *= left; l.Held {
		y.held += 1 - left
	}
	switch {
	case l.Leaving == 0:
		y.held, y.pace = 0, 0
	case y.pace > 0 && y.unused > roomFor:
		y.held, y.pace, y.rest = 0, 0, l.At.Add(roomRests)
	case y.held >= heldOften && l.At >= y.rest:
		if y.pace == 0 {
			y.pace, y.peak, y.unused = float64(l.Inside), 0, 0
		}
		y.pace *= math.Exp(-passed.Seconds() / fallsIn.Seconds())
	case y.pace > 0:
		y.pace *= math.Exp(passed.Seconds() / risesIn.Seconds())
		if y.pace > yieldEnds*float64(l.Inside) {
			y.pace = 0
		}
	}
	if y.pace == 0 {
		return unit.Unlimited
	}
	y.unused += passed
	if y.peak = max(y.peak, l.Total); float64(l.Total) >= roomUsed*float64(y.peak) {
		y.unused = 0
	}
	y.pace = max(y.pace, yieldLeast*float64(y.peak)/float64(max(l.Connections, 1)), 1)
	return unit.Rate(y.pace)
}
