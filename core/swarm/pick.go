package swarm

import "github.com/rackswarm/rackswarm/core/unit"

// rank orders the new spans that may be requested from a peer; lower is better.
type rank uint8

const (
	rankOwn     rank = iota // our share of the group, STARTed by nobody
	rankBring               // ours to bring into the location that we represent
	rankFree                // STARTed by nobody
	rankStarted             // STARTed by others, but crossing no shared link again
	rankStale               // STARTed by others so long ago that we stop waiting
	rankNever
)

// rank says how good it is to begin span x with peer p.
func (s *Swarm) rank(now unit.Time, p *peer, x int32) rank {
	if r, refused := p.refused[x]; refused && now < r.until {
		return rankNever
	}
	if s.heldCloser(now, p, x) {
		return rankNever
	}
	switch c, at := s.started(now, p, x); {
	case c == sameWork:
		return rankStarted
	case c == secondCopy && now.Sub(at) >= patience:
		return rankStale
	case c == secondCopy:
		return rankNever
	}
	switch {
	case s.owns(x):
		return rankOwn
	case s.brings(x) && !p.Initial:
		return rankBring
	}
	return rankFree
}

// heldCloser reports whether a peer closer than p can give us the span soon, so
// that it need not cross a shared link again. An initial seeder does not count
// inside its own location: it gives each span away once, and others spread it.
// Locality is soft: a closer peer that is overloaded holds nothing back, nor does
// one that refuses what it says it has.
func (s *Swarm) heldCloser(now unit.Time, p *peer, x int32) bool {
	if !s.cfg.Stealing {
		return false
	}
	for _, id := range s.ids {
		q := s.peers[id]
		if q.level > p.level && q.have.Has(int(x)) && !q.overloaded(now) && !q.evades(now, x) && (!q.Initial || q.inside && !p.inside) {
			return true
		}
	}
	return false
}

// pick chooses a new span for the peer, and how good it is. ok is false if
// there is none.
func (s *Swarm) pick(now unit.Time, p *peer) (x int32, best rank, ok bool) {
	s.redivide()
	best = rankNever
	for _, y := range s.order {
		if s.have.Has(int(y)) || !p.have.Has(int(y)) || s.active[y] != nil {
			continue
		}
		if r := s.rank(now, p, y); r < best {
			x, best = y, r
			if r == rankOwn {
				break
			}
		}
	}
	return x, best, best < rankNever
}
