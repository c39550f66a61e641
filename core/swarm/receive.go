package swarm

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Received says that a block of payload has arrived from a peer. kept is
// whether it was put into the span's buffer; otherwise it was thrown away.
func (s *Swarm) Received(now unit.Time, node unit.NodeID, b Block, kept bool, out []Action) []Action {
	if !s.valid(b) {
		return out
	}
	p := s.peers[node]
	if p != nil { // else it was given up while the block was under way
		s.forgive(p, b)
		p.measure(now, unit.Bytes(b.Length))
		s.count(p, b)
	}
	out = s.take(node, b, kept, out)
	if p == nil {
		return out
	}
	return s.fill(now, p, out)
}

// take puts a received block into its active span.
func (s *Swarm) take(node unit.NodeID, b Block, kept bool, out []Action) []Action {
	a := s.active[b.Span]
	if a == nil || !kept || b != s.blockAt(b.Span, int(b.Begin/BlockSize)) || a.blocks[b.Begin/BlockSize].received {
		s.counters.Duplicate += unit.Bytes(b.Length)
		// Another connection was delivering the same block; should that one
		// fail, somebody must be asked again.
		s.unrequest(b, node)
		return out
	}
	k := &a.blocks[b.Begin/BlockSize]
	switch {
	case k.from == "":
		a.unrequested--
	case k.from != node: // it was asked of another meanwhile
		out = s.cancel(s.peers[k.from], b, out)
	}
	k.from, k.received = node, true
	a.received++
	if a.received == len(a.blocks) {
		out = append(out, Store{Span: b.Span})
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
}

// Stored brings the result of a Store: whether the bytes were verified and
// written. A span with wrong bytes is fetched again; a peer that sent all of it
// is asked for that span no more, and given up if it happens again.
func (s *Swarm) Stored(now unit.Time, x int32, good bool, out []Action) []Action {
	a := s.active[x]
	if a == nil {
		return out
	}
	if !good {
		return s.fillAll(now, s.reject(now, a, out))
	}
	s.trust(a)
	s.end(x)
	delete(s.starts, x)
	s.gain(x)
	if s.left == 0 {
		out = append(out, Completed{})
	}
	return out
}

// reject handles a span whose bytes were wrong.
func (s *Swarm) reject(now unit.Time, a *active, out []Action) []Action {
	senders := map[unit.NodeID]bool{}
	for _, k := range a.blocks {
		senders[k.from] = true
	}
	s.counters.Duplicate += unit.Bytes(s.cfg.Lengths[a.span])
	out = s.release(a.span, out)
	if len(senders) > 1 {
		s.single(now, a.span, senders)
		return out
	}
	for _, id := range s.ids {
		p := s.peers[id]
		if !senders[id] {
			delete(p.refused, a.span) // it was not to blame
			continue
		}
		p.refuse(now, a.span, now.Add(silentAfter))
		p.badSpans++
		s.blamed[id] = p.badSpans // also when it comes back
		if p.badSpans > 1 {
			p.stalled = true // ask it for nothing while it goes
			out = append(out, Hangup{Peer: id, Reason: BadData})
		}
	}
	return out
}

// single leaves one of several senders of a span that was wrong to be asked for
// it: the others may not share it for a while, so that the next attempt tells
// whose bytes were wrong. Who is gone already may have been to blame.
func (s *Swarm) single(now unit.Time, x int32, senders map[unit.NodeID]bool) {
	var chosen *peer
	for _, id := range s.ids {
		p := s.peers[id]
		if !senders[id] {
			continue
		}
		p.refused[x] = refusal{since: now, until: now.Add(silentAfter), suspected: true}
		s.doubts[id] += doubt
		if chosen == nil || p.badSpans < chosen.badSpans {
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
func (s *Swarm) doubted(p *peer) bool { return s.doubts[p.Node] >= maxDoubts }

// It takes more right spans to be trusted again than wrong ones to be doubted:
// what can be spoilt for good is a small share.
const (
	doubt     = 4
	maxDoubts = 3 * doubt
)

// trust takes a part of a doubt from a peer that has sent a right span alone.
func (s *Swarm) trust(a *active) {
	id := a.blocks[0].from
	alone := !slices.ContainsFunc(a.blocks, func(k block) bool { return k.from != id })
	if alone && s.doubts[id] > 0 {
		s.doubts[id]--
	}
}

// Refused takes a peer's rejection of a request.
func (s *Swarm) Refused(now unit.Time, node unit.NodeID, b Block, retryAfter time.Duration, out []Action) []Action {
	p := s.peers[node]
	if p == nil || !s.valid(b) || !s.forgive(p, b) {
		return out
	}
	p.refuse(now, b.Span, now.Add(max(retryAfter, 10*time.Millisecond)))
	s.unrequest(b, node)
	out = s.releaseEmpty(out)
	if p.evades(now, b.Span) {
		return s.fillAll(now, out) // before it is asked again
	}
	return s.fill(now, p, out)
}
