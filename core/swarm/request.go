package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// fillAll requests what every peer's window allows.
func (s *Swarm) fillAll(now unit.Time, out []Action) []Action {
	for _, p := range s.list {
		out = s.fill(now, p, out)
	}
	return out
}

// fill requests from a peer until its window is full or it has nothing for us.
func (s *Swarm) fill(now unit.Time, p *peer, out []Action) []Action {
	if !s.cfg.Strategy.LowLatency && 2*p.owed > p.pace.window {
		return out // many at a time
	}
	for s.mayRequest(now, p) {
		a := s.next(now, p)
		if a == nil {
			return s.steal(now, p, out)
		}
		out = s.request(now, p, a, out)
	}
	return out
}

func (s *Swarm) mayRequest(now unit.Time, p *peer) bool {
	return s.left > 0 && !s.halted && p.accepts(now) && s.actives.inFlight < maxInFlight && s.actives.storing < maxStoring && s.allowed(now, p)
}

// allowed reports whether the budget lets something be requested of a peer. It is
// told only of what there is to request: it may hold others back for it.
func (s *Swarm) allowed(now unit.Time, p *peer) bool {
	return s.cfg.Download.ReadyAt(now, p.uplinks) <= now || s.lacks(now, p) && s.cfg.Download.Allows(now, p.uplinks)
}

// Wants says whether something is requested, or would be if the budget allowed it,
// by how many uplinks of our own locations lie between us and the peer.
func (s *Swarm) Wants(now unit.Time) []bool {
	wants := make([]bool, s.cfg.Location.Depth()+1)
	for _, p := range s.list {
		if !wants[p.uplinks] && s.left > 0 && !s.halted {
			wants[p.uplinks] = len(p.debts) > 0 || p.accepts(now) && s.lacks(now, p)
		}
	}
	return wants
}

// Offers says, by how many uplinks of our own locations lie between us, whether a peer is
// to be offered something that is here and that it lacks. With Stealing an initial seeder
// offers nothing to peers that nearer ones relay to: it would claim an uplink that it
// does not use.
func (s *Swarm) Offers() []bool {
	offers := make([]bool, s.cfg.Location.Depth()+1)
	for _, p := range s.list {
		if p.isMuted() { // what it has is not known
			continue
		}
		if s.cfg.Initial && s.cfg.Strategy.Stealing && s.relayed(p) {
			continue
		}
		for i := 0; i < len(s.have) && !offers[p.uplinks]; i++ {
			offers[p.uplinks] = s.have[i]&^p.have[i] != 0
		}
	}
	return offers
}

// lacks reports whether a peer could be asked for something.
func (s *Swarm) lacks(now unit.Time, p *peer) bool {
	return s.inTransfer(now, p, func(a *active) bool { return s.mayJoin(now, p, a) }) != nil ||
		now >= p.away.until && s.candidates(now, p)
}

// accepts reports whether a peer is to be asked for more now.
func (p *peer) accepts(now unit.Time) bool {
	return !p.stalled && p.owed < p.pace.window && !p.suspect.suspected() && now >= p.chokedUntil && now >= p.pausedUntil
}

// request asks a peer for the first grains of a span in transfer that nobody was
// asked for, as many as follow one another and make one request.
func (s *Swarm) request(now unit.Time, p *peer, a *active, out []Action) []Action {
	for a.grains[a.next] != 0 {
		a.next++
	}
	i := a.next
	for most := min(i+p.pace.request()/Grain, len(a.grains)); a.next < most && a.grains[a.next] == 0; a.next++ {
		a.grains[a.next] = grain(p.seat)
	}
	a.free -= a.next - i
	a.note(now, p.seat)
	b := s.block(a.span, i, a.next)
	if len(p.debts) == 0 {
		p.lastData = now
		p.pace.ask(now)
	}
	p.debts = append(p.debts, debt{b, now})
	p.owed += int(b.Length)
	p.account.Requests++
	s.actives.inFlight += int(b.Length)
	s.cfg.Download.Take(now, p.uplinks, unit.Bytes(b.Length))
	return append(out, Request{Peer: p.Node, Block: b})
}

// next chooses the span of the next request to a peer in the order of
// requirement 17; nil if there is none.
func (s *Swarm) next(now unit.Time, p *peer) *active {
	if a := s.inTransfer(now, p, func(a *active) bool { return a.primary == p.seat }); a != nil {
		return a
	}
	if a := s.inTransfer(now, p, func(a *active) bool { return s.owns(a.span) && s.mayJoin(now, p, a) }); a != nil {
		return a
	}
	x, r := s.picker.pick(s, now, p)
	if r > rankBring {
		if a := s.inTransfer(now, p, func(a *active) bool { return s.mayJoin(now, p, a) }); a != nil {
			return a
		}
	}
	if r == rankNever {
		return nil
	}
	return s.begin(now, x, p)
}

// mayJoin reports whether p may deliver blocks of a span that was started with
// another peer: not if it is farther away, or an initial seeder where the other
// is none, unless that other is overloaded, or gives the span no more. Who is
// doubted shares no span.
func (s *Swarm) mayJoin(now unit.Time, p *peer, a *active) bool {
	q := s.known[a.primary].peer
	if q == nil || !q.have.Has(int(a.span)) || q.evades(now, a.span) || q.overloaded(now) {
		return true
	}
	near := p.level >= q.level || s.secondCopy(now, p)
	return near && (!p.Initial || q.Initial) && !p.doubted() && !q.doubted()
}

// inTransfer returns the first span in transfer of which p has something that
// nobody was asked for, and which suits.
func (s *Swarm) inTransfer(now unit.Time, p *peer, suits func(*active) bool) *active {
	s.redivide()
	for _, a := range s.actives.list {
		if a.free > 0 && p.have.Has(int(a.span)) && !p.refuses(now, a.span) && suits(a) {
			return a
		}
	}
	return nil
}

// steal takes the last half of what a much slower peer owes of one span, when p
// has nothing else to do (Robber; requirement 16). Whole requests are stolen:
// none is long, and a part of one cannot be taken back.
func (s *Swarm) steal(now unit.Time, p *peer, out []Action) []Action {
	if len(p.debts) > 0 || !s.cfg.Strategy.Stealing {
		return out
	}
	for _, a := range s.actives.list {
		q := s.known[a.primary].peer
		if q == nil || q == p || !p.have.Has(int(a.span)) || p.refuses(now, a.span) || !s.mayJoin(now, p, a) || !slower(now, q, p) {
			continue
		}
		owed := 0
		for _, d := range q.debts {
			if d.block.Span == a.span {
				owed += int(d.block.Length)
			}
		}
		if owed > 0 {
			out = s.rob(q, a, owed/2, out)
			for a.free > 0 && s.mayRequest(now, p) {
				out = s.request(now, p, a, out)
			}
			return out
		}
	}
	return out
}

// rob cancels q's last requests of a span until it owes at most n bytes of it.
func (s *Swarm) rob(q *peer, a *active, n int, out []Action) []Action {
	owed := 0
	for i := 0; i < len(q.debts); {
		b := q.debts[i].block
		if b.Span != a.span || owed+int(b.Length) <= n {
			if b.Span == a.span {
				owed += int(b.Length)
			}
			i++
			continue
		}
		owed = n // all later ones go, too
		out = s.cancel(q, b, out)
		s.unrequest(b, q.seat)
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
	return took > time.Second && (p.pace.rate == 0 || took > 2*unit.Bytes(q.owed).Over(p.pace.rate))
}
