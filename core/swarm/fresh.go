package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// turnFirst is how long what a peer outside has got is left to the member of our
// location whose turn it is to bring it in. All members hear of it at once, and a
// START among them takes as long as the queues on their links: who did not wait for
// it would ask for the same, and most of that comes before it can be taken back.
const turnFirst = 200 * time.Millisecond

// novelty is when a peer was heard to have got a span.
type novelty struct {
	span int32
	at   unit.Time
}

// got notes that the peer has got a span now.
func (p *peer) got(now unit.Time, x int32) {
	p.settle(now)
	p.fresh = append(p.fresh, novelty{x, now})
}

// settle forgets what the peer has had for long enough.
func (p *peer) settle(now unit.Time) {
	n := 0
	for n < len(p.fresh) && now.Sub(p.fresh[n].at) >= turnFirst {
		n++
	}
	p.fresh = p.fresh[n:]
}

// leaveToTurn takes out of scratch what p, who is outside of our location, has not
// had for long, and others of our location are to bring in.
func (s *Swarm) leaveToTurn(now unit.Time, p *peer) {
	p.settle(now)
	for _, a := range p.fresh {
		if s.scratch.Has(int(a.span)) && !s.turn(a.span, p.level) {
			s.scratch.Clear(int(a.span))
		}
	}
}
