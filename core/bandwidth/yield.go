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
	// halvesIn halves the pace in about 0.7 s, doublesIn takes as long again and half to
	// double it.
	halvesIn  = time.Second
	doublesIn = 1500 * time.Millisecond
	// yieldLeast is the part of an equal share of what the host sends that is left to
	// each connection that stays inside.
	yieldLeast = 0.5
	// yieldEnds is how far above what it is to hold back a pace is of no use.
	yieldEnds = 2
)

// Yield has the connections that stay inside a location make room on this host's own
// link for those that leave it (requirement 41), where nobody said what that link
// carries. TCP divides a full interface alike among connections, so that a
// representative which gives a span to each of three neighbours has a quarter left
// for the next rack, although each of the neighbours could give it to the others.
//
// A Yield is owned by one goroutine; times must not go back.
type Yield struct {
	at   unit.Time
	held float64 // part of the looks of late
	pace float64 // 0 while there is none
}

// YieldLook is what is seen of a host's connections at a time. Rates are of payload.
type YieldLook struct {
	At unit.Time
	// Held says that one that leaves the location has data to send and window to send it
	// in, but stands in line behind others at the host's own interface.
	Held bool
	// Inside is the rate of the fastest that stays, Total of all together.
	Inside, Total unit.Rate
	// Connections is how many send.
	Connections int
}

// Pace takes a look into account and returns what each connection that stays inside
// may send: unit.Unlimited while there is enough for all, and at least half of an
// equal share of what the host sends.
func (y *Yield) Pace(l YieldLook) unit.Rate {
	passed := min(l.At.Sub(y.at), heldOver)
	y.at = l.At
	y.held *= math.Exp(-passed.Seconds() / heldOver.Seconds())
	if l.Held {
		y.held += 1 - math.Exp(-passed.Seconds()/heldOver.Seconds())
	}
	switch {
	case y.held >= heldOften:
		if y.pace == 0 {
			y.pace = float64(l.Inside)
		}
		y.pace *= math.Exp(-passed.Seconds() / halvesIn.Seconds())
	case y.pace > 0:
		y.pace *= math.Exp(passed.Seconds() / doublesIn.Seconds())
		if y.pace > yieldEnds*float64(l.Inside) {
			y.pace = 0
		}
	}
	if y.pace == 0 {
		return unit.Unlimited
	}
	y.pace = max(y.pace, yieldLeast*float64(l.Total)/float64(max(l.Connections, 1)), 1)
	return unit.Rate(y.pace)
}
