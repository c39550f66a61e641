package swarm

import (
	"math/bits"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// starveTime is how long what peers inside a location have, and we lack, may take
// at the rate at which they send it: beyond that a second copy from outside may
// have us done earlier.
const starveTime = 3 * time.Second

// supply is how the peers inside our location at some depth supply us.
type supply struct {
	at   unit.Time // when that was computed; 0: never
	wait time.Duration
	// short: the members say that they starve.
	short bool
}

// LocationsShort takes into account which of our locations are short of what their
// members can send, by depth.
func (s *Swarm) LocationsShort(depths []bool) {
	for d := range s.supplies {
		s.supplies[d].short = d < len(depths) && depths[d]
	}
}

// Starves reports whether what peers inside our location at a depth have takes long
// to come from them.
func (s *Swarm) Starves(now unit.Time, depth int) bool {
	if s.left == 0 || s.halted {
		return false
	}
	k := &s.supplies[depth]
	if k.at == 0 || now.Sub(k.at) >= idleScan {
		k.at, k.wait = now, s.waitInside(depth)
	}
	return k.wait > starveTime
}

// waitInside estimates how long it takes to get from inside what is there. Initial
// seeders do not count: they have everything, and give each span once. 0 if it is
// not known.
func (s *Swarm) waitInside(depth int) time.Duration {
	rate := unit.Rate(0)
	clear(s.scratch)
	for _, q := range s.list {
		if q.level < depth || q.Initial || q.Foreign {
			continue
		}
		if len(q.debts) > 0 {
			rate += q.pace.rate
		}
		for i, w := range q.have {
			s.scratch[i] |= w
		}
	}
	if rate == 0 {
		return 0
	}
	spans := 0
	for i, w := range s.scratch {
		spans += bits.OnesCount64(w &^ s.have[i])
	}
	return (unit.Bytes(spans) * unit.Bytes(s.maxGrains) * Grain).Over(rate)
}

// secondCopy reports whether p, who is farther away than others that have it, may
// give us what is inside already: everybody there starves, and so do we.
func (s *Swarm) secondCopy(now unit.Time, p *peer) bool {
	inside := p.level + 1
	return inside < len(s.supplies) && s.supplies[inside].short && s.Starves(now, inside)
}

// pickSecond chooses what is inside already, and that nobody has STARTed.
func (s *Swarm) pickSecond(now unit.Time, p *peer) (x int32, r rank) {
	if !s.cfg.Strategy.Stealing || !s.secondCopy(now, p) {
		return 0, rankNever
	}
	length := s.division.runLength
	for _, run := range s.order {
		for y := int(run) * length; y < min((int(run)+1)*length, len(s.cfg.Lengths)); y++ {
			if p.have.Has(y) && !s.have.Has(y) && !s.actives.spans.Has(y) && !s.starts.count(now, int32(y)) && !p.refuses(now, int32(y)) {
				return int32(y), rankSecond
			}
		}
	}
	return 0, rankNever
}
