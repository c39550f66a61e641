package topo

import (
	"math"
	"math/bits"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// The bounds of requirement 53 know no topology: every host has a link of its
// own and nothing between is limited. Rates are taken as they are, as payload.

// ClientServer is the least time in which a server that sends at most up can
// serve size bytes to every receiver itself: max(N·F/u_s, F/d_min). Zero without
// receivers.
func ClientServer(size unit.Bytes, up unit.Rate, receivers []Link) time.Duration {
	if len(receivers) == 0 {
		return 0
	}
	return max(copies(len(receivers), size).Over(up), size.Over(slowest(receivers)))
}

// PeerToPeer is the least time in which size bytes reach every receiver when
// receivers pass on what they have: max(F/u_s, F/d_min, N·F/(u_s + Σu_i)).
func PeerToPeer(size unit.Bytes, up unit.Rate, receivers []Link) time.Duration {
	if len(receivers) == 0 {
		return 0
	}
	total := up
	for _, r := range receivers {
		total = addRate(total, r.Up)
	}
	return max(size.Over(up), size.Over(slowest(receivers)), copies(len(receivers), size).Over(total))
}

// EqualLinks is the least time in which size bytes in equal pieces reach
// receivers when every link carries rate each way and a piece is passed on only
// once it is complete: (F/C)(1 + ⌊log2 N⌋/M).
func EqualLinks(size unit.Bytes, rate unit.Rate, receivers, pieces int) time.Duration {
	if receivers <= 0 || pieces <= 0 {
		return 0
	}
	rounds := 1 + float64(bits.Len(uint(receivers))-1)/float64(pieces)
	if d := float64(size.Over(rate)) * rounds; d < math.MaxInt64 {
		return time.Duration(d)
	}
	return math.MaxInt64
}

func slowest(receivers []Link) unit.Rate {
	least := unit.Unlimited
	for _, r := range receivers {
		least = min(least, r.Down)
	}
	return least
}
