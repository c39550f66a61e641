package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// picker chooses the next new span for a peer. What is in transfer already comes
// first whatever the picker: see next.
type picker interface {
	// pick chooses a span to be begun with the peer, and says how good it is;
	// rankNever if there is none.
	pick(s *Swarm, now unit.Time, p *peer) (x int32, r rank)
}

// choker decides who is served.
type choker interface {
	// wait is how long the peer is to wait until it asks again for the span, which
	// is here, and why; 0 if it is served.
	wait(s *Swarm, now unit.Time, p *peer, x int32) (time.Duration, RejectReason)
	// refused takes into account that the peer had us wait.
	refused(now unit.Time, p *peer, wait time.Duration)
}

// policies returns what the strategy picks and serves by.
func (s Strategy) policies(r *unit.Rand) (picker, choker) {
	switch {
	case s.Picker == Random:
		return &random{r}, open{}
	case s.Picker == Rarest:
		return &rarest{r}, newTitForTat(r)
	case s.Picker == Sequential:
		return sequential{}, open{}
	case s.Picker == Market:
		return &rarest{r}, newAuction()
	case s.Stealing:
		return shared{}, once{}
	}
	return shared{}, open{}
}

// open serves everybody.
type open struct{}

func (open) wait(*Swarm, unit.Time, *peer, int32) (time.Duration, RejectReason) { return 0, 0 }
func (open) refused(unit.Time, *peer, time.Duration)                            {}

// once is our own: an initial seeder gives each span once, others serve everybody.
type once struct{}

func (once) wait(s *Swarm, now unit.Time, p *peer, x int32) (time.Duration, RejectReason) {
	if s.passesOn(now, p, x) || s.cfg.Initial && s.spreads(now, p, x) {
		return askAgain, ServedElsewhere
	}
	if !s.cfg.Initial { // where upload is short nothing of it leaves while it is wanted inside
		if s.supplies[min(p.level+1, len(s.supplies)-1)].short && s.nearIsServed(now, p) {
			return nearFirst, Busy
		}
		s.serving(now, p)
	}
	return 0, 0
}

func (once) refused(now unit.Time, p *peer, _ time.Duration) { p.away.sent(now) }
