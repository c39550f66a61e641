package swarm

import (
	"slices"
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
	p.settle(now, patience)
	p.fresh = append(p.fresh, novelty{x, now})
}

// settle forgets what the peer has had for so long.
func (p *peer) settle(now unit.Time, d time.Duration) {
	n := 0
	for n < len(p.fresh) && now.Sub(p.fresh[n].at) >= d {
		n++
	}
	p.fresh = p.fresh[n:]
}

// leaveToTurn takes out of scratch what p, who is outside of our location, has not
// had for long, and others of our location are to bring in.
func (s *Swarm) leaveToTurn(now unit.Time, p *peer) {
	p.settle(now, turnFirst)
	for _, a := range p.fresh {
		if s.scratch.Has(int(a.span)) && !s.turn(a.span, p.level) {
			s.scratch.Clear(int(a.span))
		}
	}
}

// leaveToFirst takes out of scratch what p, who is of our location, has not had for
// long, and mates of ours are to have first. A representative would give what it
// brought in to all of them at once otherwise: each gets a fraction of its link, and
// nobody can pass it on until nearly all have it. An initial seeder among us gives each
// span to one mate by itself, and takes a mate whose copies wait for others for slow.
func (s *Swarm) leaveToFirst(now unit.Time, p *peer) {
	p.settle(now, s.firstTime())
	if s.seedsHere() {
		return
	}
	for _, a := range p.fresh {
		if s.scratch.Has(int(a.span)) && !s.isNext(now, a.span) {
			s.scratch.Clear(int(a.span))
		}
	}
}

// seedsHere reports whether an initial seeder is in our location.
func (s *Swarm) seedsHere() bool {
	return slices.ContainsFunc(s.list, func(q *peer) bool { return q.Initial && q.level == s.cfg.Location.Depth() })
}

// firstTime is how long what a mate has got is left to others of our location: several
// times what our own spans take, as all of it may have to wait for full links.
func (s *Swarm) firstTime() time.Duration {
	if s.spanTime == 0 {
		return patience
	}
	return min(max(leastPatience, spanTimes*s.spanTime), patience)
}

// isNext reports whether it is ours to fetch a span from a mate now. Those who lack it
// have an order by the division's hash, and as many as have it already fetch it, so
// that its copies double. Who has got nothing of late is passed over.
func (s *Swarm) isNext(now unit.Time, x int32) bool {
	run := int(x) / s.division.runLength
	own := mix(s.hash, run)
	holders, before := 0, 0
	for _, q := range s.list {
		switch {
		case q.level < s.cfg.Location.Depth() || q.Foreign || q.isMuted():
		case q.have.Has(int(x)):
			holders++
		case now < q.gotAt.Add(lively) && mix(q.hash, run) > own:
			before++
		}
	}
	return before < holders
}
