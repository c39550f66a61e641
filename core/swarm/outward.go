package swarm

import (
	"math/bits"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A span should leave a location once while somebody outside can spread it: the
// uplink is shared by all who serve outward, the initial seeder, neighbours of
// his that have everything by now, and representatives (requirement 25). Each of
// them hears from the peers in its groups what they have and have STARTed.

// relayedBy reports whether q is outside of our location at a depth and can pass
// on to p what it has: it is no farther from p than we are, and in a group with it.
func (p *peer) relayedBy(q *peer, depth int) bool {
	return q != p && q.level < depth && q.level >= p.level && q.Top <= p.level && !q.Foreign && !q.Starving
}

// passesOn reports whether somebody else outside of one of our locations should
// give the span to p, because that location's uplink still has to carry what
// nobody outside has.
func (s *Swarm) passesOn(now unit.Time, p *peer, x int32) bool {
	if p.level < s.cfg.Location.Depth() && s.nearerRelays(now, p, x) {
		return true
	}
	if s.cfg.Initial {
		return false // it knows what it gave, and how that spreads: see spreads
	}
	for depth := s.cfg.Location.Depth(); depth > p.level; depth-- {
		if s.isOutside(now, p, x, depth) && s.holdsBack(now, depth) {
			return true
		}
	}
	return false
}

// isOutside reports whether the span has left our location at the depth, or is
// on its way out to somebody other than p, who asked for it before p did.
func (s *Swarm) isOutside(now unit.Time, p *peer, x int32, depth int) bool {
	for _, q := range s.list {
		if p.relayedBy(q, depth) && q.have.Has(int(x)) {
			return true
		}
	}
	for _, st := range s.starts.lists[x] {
		if st.peer == p {
			break // lists are in the order in which STARTs were heard
		}
		if p.relayedBy(st.peer, depth) && now.Sub(st.at) < startTTL {
			return true
		}
	}
	return false
}

// stuckTime is how long others wait for the uplink of a location to carry what only
// that location has, while nothing of that gets out: nobody there may want it, or be
// able to take it.
const stuckTime = 10 * time.Second

// holdsBack reports whether others wait as our location at the depth owes something
// outside that gets out.
func (s *Swarm) holdsBack(now unit.Time, depth int) bool {
	owes, leaves := s.owesOutside(now, depth)
	left := &s.leaving[depth]
	if !owes || *left == 0 {
		*left = now // from now on something is to get out
	}
	return leaves && now.Sub(*left) < stuckTime
}

// noteLeaving takes into account that p gets a span of ours, or is given it: that is
// progress of those of our locations outside of which nobody has it. Who gets it over
// and over makes none, nor does who takes back what it had.
func (s *Swarm) noteLeaving(now unit.Time, p *peer, x int32) {
	if !s.have.Has(int(x)) || p.Foreign || p.promises.stood(now, x) > 0 || p.tookBack(now) {
		return
	}
	for depth := p.level + 1; depth < len(s.leaving); depth++ {
		if !slices.ContainsFunc(s.list, func(q *peer) bool {
			return q != p && q.level < depth && !q.Foreign && q.have.Has(int(x))
		}) {
			s.leaving[depth] = now
		}
	}
}

// owesOutside reports whether we have a span that nobody outside of our location
// at the depth has; and whether the uplink has something of that to carry which is not
// there yet: nobody has STARTed it, or somebody of late.
func (s *Swarm) owesOutside(now unit.Time, depth int) (owes, leaves bool) {
	for i, w := range s.have {
		if w == 0 {
			continue
		}
		for _, q := range s.list {
			if w == 0 {
				break
			}
			if q.level < depth && !q.Foreign {
				w &^= q.have[i]
			}
		}
		if w&^s.starts.spans[i] != 0 {
			return true, true
		}
		for ; w != 0; w &= w - 1 {
			if owes = true; s.starts.within(now, int32(i*64+bits.TrailingZeros64(w)), lively) {
				return true, true
			}
		}
	}
	return owes, false
}

// nearerRelays reports whether somebody who is nearer to us than p passes on to p
// what we send. For an initial seeder neighbours do that which have the span, as
// long as anything comes out. Relays in other locations are given first what only
// we have, unless they get nothing, or do not keep up with passing it on: when they fall
// behind, p is given what they lack.
func (s *Swarm) nearerRelays(now unit.Time, p *peer, x int32) bool {
	depth, relays := s.cfg.Location.Depth(), false
	for _, q := range s.list {
		switch {
		case q.level <= p.level || q.Top > p.level || q.Foreign:
		case q.level == depth:
			if s.cfg.Initial && q.have.Has(int(x)) && now < s.news.Add(s.spreadTime(now)) {
				return true
			}
		case q.haveCount > p.haveCount+s.backlog() || q.complete(len(s.cfg.Lengths)) || now >= q.gotAt.Add(lively):
		case q.haveCount > p.haveCount+s.lag(now, q) && !q.have.Has(int(x)):
		default:
			relays = true
		}
	}
	return relays && s.holdsBack(now, depth)
}

// lively is how long after its last HAVE a peer is taken to receive something.
const lively = 2 * time.Second

// lagTime is how long a span may take from a relay's HAVE to that of whom it passes the
// span on to, queues and announcements included.
const lagTime = 2 * time.Second

// leastLag is how many spans a relay may be ahead however few there are.
const leastLag = 8

// lag is how many spans a relay may be ahead of those whom it passes them on to, for these
// to be given nothing that it lacks. Its uplink also carries acknowledgements, 2% to 3% of
// what it gets, so that it falls behind by as much where all uplinks are alike.
func (s *Swarm) lag(now unit.Time, q *peer) int {
	passed := max(now.Sub(q.met), time.Second)
	underway := float64(q.haveCount-q.broughtCount) * lagTime.Seconds() / passed.Seconds()
	return max(leastLag, len(s.cfg.Lengths)/64, int(underway))
}

// backlog is how many spans it may be ahead for these to be given no other span, either.
func (s *Swarm) backlog() int { return max(leastLag, len(s.cfg.Lengths)/16) }
