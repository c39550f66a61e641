package swarm

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Received says that a block of payload has arrived from a peer. kept is
// whether it was put into the span's buffer; otherwise it was thrown away.
func (s *Swarm) Received(now unit.Time, node unit.NodeID, b Block, kept bool, out []Action) []Action {
	from, met := s.seats[node]
	if !met || !s.valid(b) {
		return out
	}
	uplinks := s.uplinksTo(s.known[from].account.Location)
	s.crossings[uplinks].received += unit.Bytes(b.Length)
	p, owed := s.peers[node], false
	if p != nil { // else it was given up while the block was under way
		var d debt
		d, owed = s.forgive(p, b)
		p.receive(now, b, d, owed)
		s.count(p, b)
	}
	if !owed {
		s.cfg.Download.Take(now, uplinks, unit.Bytes(b.Length))
	}
	out = s.take(from, b, kept, owed, out)
	if p == nil {
		return out
	}
	return s.fill(now, p, out)
}

// take puts a received block into its active span. owed says that the block is what
// the peer was asked for: then no other request covers it.
func (s *Swarm) take(from seat, b Block, kept, owed bool, out []Action) []Action {
	a := s.actives.of[b.Span]
	i, j, whole := s.extent(b)
	if a == nil || !kept || !whole || slices.ContainsFunc(a.grains[i:j], grain.here) {
		s.counters.Duplicate += unit.Bytes(b.Length)
		s.known[from].account.Duplicate += unit.Bytes(b.Length)
		if owed {
			// Another connection was delivering the same; should that one fail,
			// somebody must be asked again.
			s.unrequest(b, from)
		}
		return out
	}
	for k := i; k < j; k++ {
		if a.grains[k] == 0 {
			a.free--
		}
		a.grains[k] = grain(from) | here
	}
	a.received += j - i
	if !owed {
		// It was given up and came all the same. Requests that were made instead
		// may have other bounds, also those of the same peer.
		out = s.settle(b, out)
	}
	if a.received == len(a.grains) {
		s.actives.storing += int(s.cfg.Lengths[b.Span])
		out = append(out, Store{Span: b.Span})
	}
	return out
}

// settle withdraws requests for what is here now, of whomever it was asked
// meanwhile.
func (s *Swarm) settle(b Block, out []Action) []Action {
	for _, p := range s.list {
		for i := 0; i < len(p.debts); {
			o := p.debts[i].block
			if o.Span != b.Span || o.Begin >= b.Begin+b.Length || b.Begin >= o.Begin+o.Length {
				i++
				continue
			}
			out = s.cancel(p, o, out)
			s.unrequest(o, p.seat)
		}
	}
	return out
}

func (s *Swarm) count(p *peer, b Block) {
	n := unit.Bytes(b.Length)
	s.counters.Received += n
	s.counters.ByLevel[p.level] += n
	if p.Initial {
		s.counters.Seeder += n
	}
	if p.Foreign {
		s.counters.Foreign += n
	}
}

// Stored brings the result of a Store: whether the bytes were verified and
// written. A span with wrong bytes is fetched again.
func (s *Swarm) Stored(now unit.Time, x int32, good bool, out []Action) []Action {
	a := s.actives.of[x]
	if a == nil {
		return out
	}
	if !good {
		if a.received < len(a.grains) {
			return out // of what was given up meanwhile
		}
		return s.fillAll(now, s.reject(now, a, out))
	}
	if a.received == len(a.grains) {
		s.trust(a)
		s.noteSpanTime(now.Sub(a.began))
	} else { // what was given up meanwhile is on the disk, and was asked for again
		out = s.cancelAll(a, out)
	}
	behind := s.actives.storing >= maxStoring
	s.end(a)
	s.starts.clear(x)
	s.gain(x)
	if s.left == 0 {
		out = append(out, Completed{})
	}
	if behind {
		return s.fillAll(now, out)
	}
	return out
}

// senders lists the seats of those who sent a part of a span that is not proven,
// in order.
func (a *active) senders() []seat {
	var from []seat
	for _, g := range a.grains {
		if at := g.from(); g.here() && at != 0 && !slices.Contains(from, at) {
			from = append(from, at)
		}
	}
	slices.Sort(from)
	return from
}

// reject handles a span whose bytes were wrong. Leaves tell which, if that is
// not plain.
func (s *Swarm) reject(now unit.Time, a *active, out []Action) []Action {
	if slices.ContainsFunc(a.grains, func(g grain) bool { return g != a.grains[0] }) {
		if out, asked := s.inquire(now, a, out); asked {
			return out
		}
	}
	return s.discard(now, a, out)
}

// discard throws a span away whose bytes were wrong.
func (s *Swarm) discard(now unit.Time, a *active, out []Action) []Action {
	senders, x := a.senders(), a.span
	var asked unit.Time
	if len(senders) > 0 {
		asked = a.askedAt(senders[0])
	}
	s.counters.Duplicate += unit.Bytes(s.cfg.Lengths[x])
	out = s.release(a, out)
	if len(senders) != 1 {
		s.single(now, x, senders)
		return out
	}
	for _, p := range s.list {
		if p.refused[x].suspected && p.seat != senders[0] {
			delete(p.refused, x) // it was not to blame
		}
	}
	return s.blame(now, senders[0], x, unit.Bytes(s.cfg.Lengths[x]), asked, out)
}

// single leaves one of several senders of a span that was wrong to be asked for
// it: the others may not share it for a while, so that the next attempt tells
// whose bytes were wrong. Who is gone already may have been to blame.
func (s *Swarm) single(now unit.Time, x int32, senders []seat) {
	var chosen *peer
	for _, p := range s.list {
		if !slices.Contains(senders, p.seat) {
			continue
		}
		p.refused[x] = refusal{since: now, until: now.Add(silentAfter), suspected: true}
		p.doubts += doubt
		if chosen == nil || p.suspect.incidents < chosen.suspect.incidents {
			chosen = p
		}
	}
	if chosen != nil {
		delete(chosen.refused, x)
	}
}

// doubted reports whether a peer had a part in so many wrong spans of several
// senders that it is to send spans alone: then it shows who is to blame. One that
// spoils only what others have a part in would not be found out otherwise.
func (p *peer) doubted() bool { return p.doubts >= maxDoubts }

// It takes more right spans to be trusted again than wrong ones to be doubted:
// what can be spoilt for good is a small share.
const (
	doubt     = 4
	maxDoubts = 3 * doubt
)

// trust takes a part of a doubt from a peer that has sent a right span alone.
func (s *Swarm) trust(a *active) {
	first := a.grains[0]
	k := s.known[first.from()]
	if k.doubts > 0 && !slices.ContainsFunc(a.grains, func(g grain) bool { return g != first }) {
		k.doubts--
	}
}

// Refused takes a peer's rejection of a request.
func (s *Swarm) Refused(now unit.Time, node unit.NodeID, b Block, retryAfter time.Duration, out []Action) []Action {
	p := s.peers[node]
	if p == nil || !s.valid(b) {
		return out
	}
	if _, owed := s.forgive(p, b); !owed {
		return out
	}
	s.cfg.Download.Return(p.uplinks, unit.Bytes(b.Length))
	p.account.Rejects++
	wait := max(retryAfter, firstAway)
	s.choker.refused(now, p, wait)
	p.will.refuse(now)
	p.refuse(now, b.Span, now.Add(wait))
	s.unrequest(b, p.seat)
	out = s.releaseEmpty(out)
	if p.evades(now, b.Span) {
		return s.fillAll(now, out) // before it is asked again
	}
	return s.fill(now, p, out)
}
