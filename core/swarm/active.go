package swarm

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

// active is a span in transfer, grain by grain. It is requested mostly from one
// peer.
type active struct {
	span    int32
	began   unit.Time
	primary seat // whom it was started with
	grains  []grain
	// free counts the grains that nobody was asked for, received those that are
	// here. When all are the span is being stored and nothing is requested any
	// more. No grain before next is free.
	free, received, next int
	asks                 []ask // by peer
	inquiry              inquiry
}

// ask is when the node at a seat was first asked for a part of a span.
type ask struct {
	from seat
	at   unit.Time
}

// note takes a request into account.
func (a *active) note(now unit.Time, from seat) {
	if !slices.ContainsFunc(a.asks, func(k ask) bool { return k.from == from }) {
		a.asks = append(a.asks, ask{from, now})
	}
}

// askedAt is when the node at a seat was first asked for a part of the span.
func (a *active) askedAt(from seat) unit.Time {
	for _, k := range a.asks {
		if k.from == from {
			return k.at
		}
	}
	return 0
}

// grain says of Grain bytes of a span whom they were asked of last, and whether
// they are here. 0 is nobody: what is here from nobody is proven.
type grain uint32

const here grain = 1 << 31

func (g grain) from() seat { return seat(g &^ here) }
func (g grain) here() bool { return g&here != 0 }

// seat numbers the nodes that the swarm has met, from 1 on; a node keeps its
// seat for good, so that what a peer sent is known to be its when it is gone.
type seat uint32

// grains is how many grains a span has.
func (s *Swarm) grains(x int32) int { return (int(s.cfg.Lengths[x]) + Grain - 1) / Grain }

// block is the part of a span from grain i to before grain j.
func (s *Swarm) block(x int32, i, j int) Block {
	begin := int32(i) * Grain
	return Block{Span: x, Begin: begin, Length: min(int32(j)*Grain, s.cfg.Lengths[x]) - begin}
}

// extent returns the grains of a block, from i to before j; ok is false if it
// does not begin and end where grains do.
func (s *Swarm) extent(b Block) (i, j int, ok bool) {
	end := b.Begin + b.Length
	ok = b.Begin%Grain == 0 && (end%Grain == 0 || end == s.cfg.Lengths[b.Span])
	return int(b.Begin / Grain), int(end+Grain-1) / Grain, ok
}

// begin makes span x active with peer p and STARTs it.
func (s *Swarm) begin(now unit.Time, x int32, p *peer) *active {
	if s.spanTime == 0 && len(s.actives.list) == 0 {
		s.began = now
	}
	a := s.actives.begin(x, s.grains(x), s.maxGrains)
	a.began, a.primary = now, p.seat
	s.pending.start(uint32(x))
	return a
}

// end takes a span out of transfer. Nothing uses a after that.
func (s *Swarm) end(a *active) {
	if a.received == len(a.grains) {
		s.actives.storing -= int(s.cfg.Lengths[a.span])
	}
	s.actives.end(a)
}

// release gives a span up: what was requested is cancelled, what was received
// dropped, and everybody told.
func (s *Swarm) release(a *active, out []Action) []Action {
	x := a.span
	out = s.cancelAll(a, out)
	s.end(a)
	s.pending.stop(uint32(x))
	return append(out, Drop{Span: x})
}

// cancelAll withdraws all requests of a span.
func (s *Swarm) cancelAll(a *active, out []Action) []Action {
	for _, p := range s.list {
		for i := 0; i < len(p.debts); {
			if p.debts[i].block.Span != a.span {
				i++
				continue
			}
			out = s.cancel(p, p.debts[i].block, out)
		}
	}
	return out
}

// releaseEmpty releases spans of which nothing is requested or received, after
// their peer left or refused.
func (s *Swarm) releaseEmpty(out []Action) []Action {
	for i := 0; i < len(s.actives.list); {
		if a := s.actives.list[i]; a.free == len(a.grains) {
			out = s.release(a, out)
			continue
		}
		i++
	}
	return out
}

// cancel withdraws a request if the peer owes it.
func (s *Swarm) cancel(p *peer, b Block, out []Action) []Action {
	if _, owed := s.forgive(p, b); !owed {
		return out
	}
	s.cfg.Download.Return(p.uplinks, unit.Bytes(b.Length))
	return append(out, Cancel{Peer: p.Node, Block: b})
}

// forgive takes a block off a peer's debts; false if it was not there.
func (s *Swarm) forgive(p *peer, b Block) (debt, bool) {
	i := slices.IndexFunc(p.debts, func(d debt) bool { return d.block == b })
	if i < 0 {
		return debt{}, false
	}
	d := p.debts[i]
	p.debts = slices.Delete(p.debts, i, i+1)
	p.owed -= int(b.Length)
	s.actives.inFlight -= int(b.Length)
	return d, true
}

// unrequest makes what is missing of a block that was asked of the node at a
// seat available to others.
func (s *Swarm) unrequest(b Block, from seat) {
	a := s.actives.of[b.Span]
	if a == nil {
		return
	}
	i, j, _ := s.extent(b)
	for k := i; k < j; k++ {
		if a.grains[k] == grain(from) {
			a.grains[k] = 0
			a.free++
			a.next = min(a.next, k)
		}
	}
}
