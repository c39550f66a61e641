package topo

import (
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Link is the capacity of the link between a place and what is above it, in
// bytes per second on the wire: Up leads out of the place, Down into it. A zero
// rate lets nothing pass.
type Link struct{ Up, Down unit.Rate }

// Unlimited is the link of a location that nobody declared.
var Unlimited = Link{Up: unit.Unlimited, Down: unit.Unlimited}

// Goodput is the share of a link's capacity that can be payload: 1448 bytes in
// a TCP segment with timestamps, in a full Ethernet frame of 1514 bytes.
const Goodput = 1448. / 1514.

// wireTime is how long bytes on the wire take over a link of capacity rate.
// Nothing takes no time, and a rate of zero takes forever.
func wireTime(bytes float64, rate unit.Rate) time.Duration {
	if bytes <= 0 || rate == unit.Unlimited {
		return 0
	}
	if ns := bytes / float64(rate) * float64(time.Second); ns < math.MaxInt64 {
		return time.Duration(ns)
	}
	return math.MaxInt64
}

// addRate is a+b, Unlimited if that is more than a Rate holds.
func addRate(a, b unit.Rate) unit.Rate {
	if a > unit.Unlimited-b {
		return unit.Unlimited
	}
	return a + b
}

func lesser(a, b unit.Rate) unit.Rate { return min(a, b) }

// copies is n·size, at most 2⁶³−1.
func copies(n int, size unit.Bytes) unit.Bytes {
	if n > 0 && size > math.MaxInt64/unit.Bytes(n) {
		return math.MaxInt64
	}
	return unit.Bytes(n) * size
}
