package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// will is whether a peer gives what it has: how many requests more it has refused
// of late than it sent blocks, up to mostRefused, and since when.
type will struct {
	refused int
	since   unit.Time
}

// Who refused refusedMore requests more than it served seems to keep what it has;
// it takes as many blocks and more to be trusted again.
const (
	refusedMore = 8
	mostRefused = 2 * refusedMore
)

func (w *will) refuse(now unit.Time) {
	if w.refused == 0 {
		w.since = now
	}
	w.refused = min(w.refused+1, mostRefused)
}

func (w *will) give() { w.refused = max(w.refused-1, 0) }

// keeps reports whether the peer refuses most of what it is asked for, so that what
// it says to have is no reason to ask nobody else. Who sends everybody away for a
// while has more time: see evades.
func (p *peer) keeps(now unit.Time) bool {
	return p.will.refused >= refusedMore && now.Sub(p.will.since) > p.refusalTime()
}

// refusalTime is how long a peer may refuse what it has before somebody farther away
// is asked. Who serves us from another location, or an initial seeder, sends
// everybody away for a while; its doing so means less.
func (p *peer) refusalTime() time.Duration {
	switch {
	case p.Initial:
		return maxGiveTime
	case p.outside:
		return evadeTime
	}
	return 0
}
