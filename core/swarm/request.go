package swarm

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// fillAll requests what every peer's window allows.
func (s *Swarm) fillAll(now unit.Time, out []Action) []Action {
	for _, id := range s.ids {
		out = s.fill(now, s.peers[id], out)
	}
	return out
}

// fill requests from a peer until its window is full or it has nothing for us.
func (s *Swarm) fill(now unit.Time, p *peer, out []Action) []Action {
	for s.mayRequest(now, p) {
		b, ok := s.next(now, p)
		if !ok {
			return s.steal(now, p, out)
		}
		out = s.request(now, p, b, out)
	}
	return out
}

func (s *Swarm) mayRequest(now unit.Time, p *peer) bool {
	return s.left > 0 && !s.halted && !p.stalled && p.owed < p.window && s.inFlight < maxInFlight && s.cfg.Download.Allows(now)
}

func (s *Swarm) request(now unit.Time, p *peer, b Block, out []Action) []Action {
	k := &s.active[b.Span].blocks[b.Begin/BlockSize]
	if k.from == "" {
		s.active[b.Span].unrequested--
	}
	k.from = p.Node
	if len(p.debts) == 0 {
		p.meter.since, p.meter.bytes, p.lastData = now, 0, now
	}
	p.debts = append(p.debts, debt{b, now})
	p.owed += int(b.Length)
	s.inFlight += int(b.Length)
	s.cfg.Download.Take(now, unit.Bytes(b.Length))
	return append(out, Request{Peer: p.Node, Block: b})
}

// next chooses the next block for a peer in the order of requirement 17.
func (s *Swarm) next(now unit.Time, p *peer) (Block, bool) {
	if b, ok := s.inTransfer(now, p, func(a *active) bool { return a.primary == p.Node }); ok {
		return b, true
	}
	if b, ok := s.inTransfer(now, p, func(a *active) bool { return s.owns(a.span) && s.mayJoin(now, p, a) }); ok {
		return b, true
	}
	x, r, ok := s.pick(now, p)
	if !ok || r > rankBring {
		if b, shared := s.inTransfer(now, p, func(a *active) bool { return s.mayJoin(now, p, a) }); shared {
			return b, true
		}
	}
	if !ok {
		return Block{}, false
	}
	s.begin(x, p)
	return s.blockAt(x, 0), true
}

// mayJoin reports whether p may deliver blocks of a span that was started with
// another peer: not if it is farther away, or an initial seeder where the other
// is none, unless that other is overloaded. Who is doubted shares no span.
func (s *Swarm) mayJoin(now unit.Time, p *peer, a *active) bool {
	q := s.peers[a.primary]
	if q == nil || q.overloaded(now) {
		return true
	}
	return p.level >= q.level && (!p.Initial || q.Initial) && !s.doubted(p) && !s.doubted(q)
}

// inTransfer returns the first unrequested block that p has of an active span
// that suits.
func (s *Swarm) inTransfer(now unit.Time, p *peer, suits func(*active) bool) (Block, bool) {
	s.redivide()
	for _, x := range s.actives {
		a := s.active[x]
		if a.unrequested == 0 || !p.have.Has(int(x)) || !suits(a) {
			continue
		}
		if r, refused := p.refused[x]; refused && now < r.until {
			continue
		}
		i := slices.IndexFunc(a.blocks, func(k block) bool { return k.from == "" && !k.received })
		return s.blockAt(x, i), true
	}
	return Block{}, false
}

// steal takes the last half of what a much slower peer owes of one span, when
// p has nothing else to do (Robber; requirement 16).
func (s *Swarm) steal(now unit.Time, p *peer, out []Action) []Action {
	if len(p.debts) > 0 || !s.cfg.Stealing {
		return out
	}
	for _, x := range s.actives {
		a := s.active[x]
		q := s.peers[a.primary]
		if !p.have.Has(int(x)) || q == nil || q == p || !s.mayJoin(now, p, a) || !slower(now, q, p) {
			continue
		}
		var owed []int
		for i, k := range a.blocks {
			if k.from == q.Node && !k.received {
				owed = append(owed, i)
			}
		}
		for _, i := range owed[len(owed)/2:] {
			b := s.blockAt(x, i)
			out = s.cancel(q, b, out)
			s.unrequest(b, q.Node)
			out = s.request(now, p, b, out)
		}
		if len(owed) > 0 {
			return out
		}
	}
	return out
}

// slower reports whether q will take more than a second for what it owes, and
// more than twice as long as p would.
func slower(now unit.Time, q, p *peer) bool {
	if len(q.debts) == 0 {
		return false
	}
	took := q.clears(now)
	return took > time.Second && (p.rate == 0 || took > 2*unit.Bytes(q.owed).Over(p.rate))
}
