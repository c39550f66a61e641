package swarm

import (
	"math/bits"

	"github.com/rackswarm/rackswarm/core/unit"
)

// rank orders the new spans that may be requested from a peer; lower is better.
type rank uint8

const (
	rankOwn     rank = iota // our share of the group, STARTed by nobody
	rankBring               // ours to bring into the location that we represent
	rankFree                // STARTed by nobody
	rankStarted             // STARTed by others, but crossing no shared link again
	rankStale               // STARTed by others so long ago that we stop waiting
	rankSecond              // inside our location already, which is short of what it can send
	rankNever
)

// shared is our own picker: by share, and by what others have STARTed.
type shared struct{}

func (shared) pick(s *Swarm, now unit.Time, p *peer) (x int32, best rank) {
	s.redivide()
	if now < p.away.until {
		return 0, rankNever
	}
	if !s.candidates(now, p) {
		return s.pickSecond(now, p)
	}
	relayed := s.leaveToRelays(p)
	if x, best = s.best(now, p); best == rankNever && relayed {
		s.scratch, s.aside = s.aside, s.scratch
		x, best = s.best(now, p)
	}
	if best == rankNever {
		return s.pickSecond(now, p)
	}
	return x, best
}

// best chooses one of the candidates in scratch, and says how good it is; rankNever
// if there is none.
func (s *Swarm) best(now unit.Time, p *peer) (x int32, best rank) {
	best = rankNever
	length := s.division.runLength
	for _, run := range s.order {
		first := int(run) * length
		left := s.scratch.from(first, length)
		for left != 0 {
			y := int32(first + bits.TrailingZeros64(left))
			left &= left - 1
			r := s.rank(now, p, y)
			if r == rankOwn {
				return y, r
			}
			if r < best {
				x, best = y, r
			}
			if !s.starts.spans.Has(int(y)) {
				left &= s.starts.spans.from(first, length) // others of this rank are no better
			}
		}
	}
	return x, best
}

// candidates puts the spans into scratch that p could begin: missing, not in
// transfer, not refused by p, and not held closer to us. False if there are none.
func (s *Swarm) candidates(now unit.Time, p *peer) bool {
	any := uint64(0)
	for i := range s.scratch {
		s.scratch[i] = p.have[i] &^ s.have[i] &^ s.actives.spans[i]
		any |= s.scratch[i]
	}
	if any == 0 {
		return false
	}
	for x, r := range p.refused {
		if now < r.until {
			s.scratch.Clear(int(x))
		}
	}
	if s.cfg.Strategy.Stealing {
		s.leaveToCloser(now, p)
		s.leaveToOthers(now, p)
		if p.level < s.cfg.Location.Depth() {
			s.leaveToTurn(now, p)
		}
	}
	any = 0
	for _, w := range s.scratch {
		any |= w
	}
	return any != 0
}

// leaveToCloser takes out of scratch what a peer closer than p can give us soon,
// so that it need not cross a shared link again. An initial seeder does not count
// inside its own location: it gives each span away once, and others spread it.
// Locality is soft: a closer peer that is overloaded holds nothing back, nor does
// one that refuses what it says it has.
func (s *Swarm) leaveToCloser(now unit.Time, p *peer) {
	for _, q := range s.list {
		if q.level <= p.level || q.haveCount == 0 || q.Initial && (!q.inside || p.inside) || q.overloaded(now) {
			continue
		}
		s.leaveTo(now, q)
	}
}

// leaveTo takes out of scratch what q has, and does not refuse.
func (s *Swarm) leaveTo(now unit.Time, q *peer) {
	kept := s.evaded[:0]
	for x := range q.refused {
		if s.scratch.Has(int(x)) && q.evades(now, x) {
			kept = append(kept, x)
		}
	}
	for i, w := range q.have {
		s.scratch[i] &^= w
	}
	for _, x := range kept {
		s.scratch.Set(int(x))
	}
	s.evaded = kept
}

// leaveToRelays moves from scratch into aside what p, an initial seeder, has given
// away already, as others have it who are no farther: it would refuse most of that,
// and serve nothing else meanwhile. It reports whether there is any.
func (s *Swarm) leaveToRelays(p *peer) bool {
	if !p.Initial || !s.cfg.Strategy.Stealing {
		return false
	}
	clear(s.aside)
	for _, q := range s.list {
		if q.level < p.level || q.haveCount == 0 || q.Initial || q.Foreign {
			continue
		}
		for i, w := range q.have {
			s.aside[i] |= w
		}
	}
	any := uint64(0)
	for i, w := range s.scratch {
		s.aside[i] &= w
		s.scratch[i] &^= s.aside[i]
		any |= s.aside[i]
	}
	return any != 0
}

// leaveToOthers takes out of scratch what others than p can give us, while p's
// uplink has to carry what only its location has: it would refuse, see passesOn.
func (s *Swarm) leaveToOthers(now unit.Time, p *peer) {
	if p.Initial || p.level == s.cfg.Location.Depth() {
		return
	}
	at := p.Location
	for depth := at.Depth(); depth > p.level; depth, at = depth-1, at.Parent() {
		if !s.owes(p, at) {
			continue
		}
		for _, q := range s.list {
			if q.level == p.level && !at.Contains(q.Location) && !q.overloaded(now) {
				s.leaveTo(now, q)
			}
		}
	}
}

// owes reports whether p has what nobody outside of its location has.
func (s *Swarm) owes(p *peer, at unit.Location) bool {
	for i, w := range p.have {
		w &^= s.have[i]
		for _, q := range s.list {
			if w == 0 {
				break
			}
			if w&q.have[i] != 0 && !at.Contains(q.Location) {
				w &^= q.have[i]
			}
		}
		if w != 0 {
			return true
		}
	}
	return false
}

// rank says how good it is to begin a candidate with p.
func (s *Swarm) rank(now unit.Time, p *peer, x int32) rank {
	if s.starts.spans.Has(int(x)) {
		switch c, at := s.started(now, p, x); {
		case c == sameWork:
			return rankStarted
		case c == secondCopy && now.Sub(at) >= s.patienceNow(now):
			return rankStale
		case c == secondCopy:
			return rankNever
		}
	}
	switch {
	case s.owns(x):
		return rankOwn
	case s.brings(x) && !p.Initial:
		return rankBring
	}
	return rankFree
}
