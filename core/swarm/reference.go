package swarm

import (
	"math/bits"

	"github.com/rackswarm/rackswarm/core/unit"
)

// The pickers of the strategies that ours is compared with. They know neither
// shares nor STARTs: any candidate is free. None has an endgame in which a block is
// asked of several peers: what nobody was asked for yet of a span in transfer is
// asked of whoever has room, so that the last spans come from many peers, each
// block once.

// random takes any span.
type random struct{ rand *unit.Rand }

func (r *random) pick(s *Swarm, now unit.Time, p *peer) (int32, rank) {
	if !s.candidates(now, p) {
		return 0, rankNever
	}
	return s.scratch.any(r.rand), rankFree
}

// sequential takes the first span.
type sequential struct{}

func (sequential) pick(s *Swarm, now unit.Time, p *peer) (int32, rank) {
	if !s.candidates(now, p) {
		return 0, rankNever
	}
	return s.scratch.nth(0), rankFree
}

// rarest takes one of the spans that the fewest peers have. In a market, too, this
// is what a buyer takes: price is scarcity times the buyer's speed, which is the
// same for all that it could take.
type rarest struct{ rand *unit.Rand }

func (r *rarest) pick(s *Swarm, now unit.Time, p *peer) (int32, rank) {
	if !s.candidates(now, p) {
		return 0, rankNever
	}
	s.leaveRarest()
	return s.scratch.any(r.rand), rankFree
}

// leaveRarest takes out of scratch, which is not empty, what more peers have than
// others of it.
func (s *Swarm) leaveRarest() {
	least := ^uint64(0)
	for i, w := range s.scratch {
		if w == 0 {
			continue
		}
		held, left := s.leastHeld(i, w)
		switch {
		case held > least:
			left = 0
		case held < least:
			least = held
			clear(s.scratch[:i])
		}
		s.scratch[i] = left
	}
}

// leastHeld returns by how many peers at least one of the spans w of a word of the
// set is held, and which are held by so few.
func (s *Swarm) leastHeld(word int, w uint64) (held, which uint64) {
	var count [32]uint64 // of each span of the word, a digit per element
	digits := bits.Len(uint(len(s.list)))
	for _, p := range s.list {
		carry := p.have[word]
		for d := 0; carry != 0; d++ {
			count[d], carry = count[d]^carry, count[d]&carry
		}
	}
	for d := digits - 1; d >= 0; d-- {
		if less := w &^ count[d]; less != 0 {
			w = less
		} else {
			held |= 1 << d
		}
	}
	return held, w
}

// nth returns the member before which there are n others.
func (t set) nth(n int) int32 {
	for i, w := range t {
		c := bits.OnesCount64(w)
		if n >= c {
			n -= c
			continue
		}
		for ; n > 0; n-- {
			w &= w - 1
		}
		return int32(i*64 + bits.TrailingZeros64(w))
	}
	return -1
}

// any returns one of the members, of which there is one at least.
func (t set) any(r *unit.Rand) int32 { return t.nth(r.IntN(t.Count())) }
