package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Appetite makes the demand that a node publishes of what it wishes for and of
// what it uses. Whoever leaves more than a quarter of its share unused for a
// second, though it wishes for more, is held back elsewhere: it then wants but
// half as much again as it uses, and others get the rest. As soon as its share is
// what holds it back it wants what it wishes for.
//
// An Appetite is of one rank and direction of one link, and owned by one
// goroutine.
type Appetite struct {
	since unit.Time
	idle  bool
}

const (
	fullPart   Part = 0.75
	spareAfter      = time.Second
)

// Demand is what to publish. Wish is what there is to move, used the rate in the
// last interval, share what the node might have used in it, and floor the least
// demand of who wishes for anything; in bytes per second.
func (a *Appetite) Demand(now unit.Time, wish, used, share, floor unit.Rate) unit.Rate {
	if wish <= 0 {
		a.idle = false
		return 0
	}
	if used >= fullPart.of(share) {
		a.idle = false
		return wish
	}
	if !a.idle {
		a.idle, a.since = true, now
	}
	if now.Sub(a.since) < spareAfter {
		return wish
	}
	return min(wish, max(floor, used+used/2))
}
