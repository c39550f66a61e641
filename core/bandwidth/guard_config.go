package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// GuardConfig is what a Guard is made from.
type GuardConfig struct {
	// Floor is the rate that all connections over the slowest link together are left
	// with, more than 0. Steps of increase follow from it, so guards that share a link
	// should have the same. It counts where there is no Ceiling: where there is one, a
	// twenty-fifth of that is this connection's floor, and FloorOf(Link) at most unless
	// Shared.
	Floor unit.Rate
	// Connections are those that share Floor, and the steps of increase; 0 is one. Each
	// has 2 KiB/s in any case. Ceiling and Start are this one's alone.
	Connections int
	// Ceiling is the rate that it never goes above, such as the budget of the
	// slowest link; unit.Unlimited if there is none.
	Ceiling unit.Rate
	// Shared: Ceiling follows from shares of all links on the way. Otherwise others whom
	// nobody counts may have the whole of a link as theirs, too.
	Shared bool
	// Budget is what all who use the tightest link on the way may move over it together,
	// which measurements and operators change and users do not; unit.Unlimited if there is
	// no limit, 0 if nothing is known of it. The rate ramps up when it grows by a quarter.
	Budget unit.Rate
	// Start is the rate that it begins with, and begins with again when it had nothing
	// to move for a second: what is known to be free. Floor counts if that is more.
	Start unit.Rate
	// Target is the queueing delay that it aims at; 0 is 2 ms.
	Target time.Duration
	// Link is the capacity of the slowest known link on the way, which is a ceiling
	// as well; 0 if none is known.
	Link unit.Rate
}

// floor is what this connection's rate may fall to.
func (c GuardConfig) floor() unit.Rate {
	floor := c.Floor / unit.Rate(max(c.Connections, 1))
	if c.Ceiling < unit.Unlimited {
		floor = ceilingFloor.of(c.Ceiling)
		if !c.Shared {
			floor = min(floor, FloorOf(c.Link))
		}
	}
	return max(floor, leastRate)
}

// frees reports whether there is more room for all than before by a part that matters.
func (c GuardConfig) frees(before GuardConfig) bool {
	return c.Budget < unit.Unlimited && float64(c.Budget) > wider*float64(before.Budget)
}

// Sample is what the kernel says of a connection at one time (TCP_INFO).
type Sample struct {
	At     unit.Time
	RTT    time.Duration // smoothed, as data is acknowledged now
	MinRTT time.Duration // the least in the kernel's own window, 0 if not known
	// Delivery is the kernel's last measurement of the rate of delivery, 0 if none.
	Delivery unit.Rate
	// Acked and Retransmitted are sums since the connection began, in bytes.
	Acked, Retransmitted unit.Bytes
	// Waiting: something is to be sent, or was and is not acknowledged yet.
	Waiting bool
}
