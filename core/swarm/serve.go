package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// An initial seeder gives each span to one peer and lets that copy spread. Who
// is sent away asks again after askAgain.
const (
	askAgain = 250 * time.Millisecond
	// When every span was given away once, a copy has giveTime to spread if it
	// is not known how long that takes, else between leastGive and maxGiveTime:
	// see spreadTime.
	giveTime     = 2 * time.Second
	leastGive    = 500 * time.Millisecond
	maxGiveTime  = 20 * time.Second
	spreadFactor = 4
	// nearFirst is how long after serving a near peer farther ones are sent
	// away: the seeder's own location relays outward (requirement 25).
	nearFirst = 500 * time.Millisecond
)

// served is to whom an initial seeder gave a span first.
type served struct {
	to     unit.NodeID
	at     unit.Time
	spread bool // another peer has it, too, or was given it here
	again  bool // one was given it outside of that peer's location, unless that is ours
	passed bool // one has it there
}

// seeding is what an initial seeder remembers.
type seeding struct {
	spans   map[int32]served
	began   unit.Time     // the first span was given away
	gave    unit.Time     // a block of one that nobody else had been given
	near    []unit.Time   // by level of the receiver, when such a peer was served last
	latency time.Duration // mean from giving a span to its reaching a second peer
}

// PeerWants takes a peer's request and answers with Upload or Reject.
func (s *Swarm) PeerWants(now unit.Time, node unit.NodeID, b Block, out []Action) []Action {
	p := s.peers[node]
	switch {
	case p == nil:
		return out
	case !s.valid(b):
		return append(out, Hangup{Peer: node, Reason: BadRequest})
	case !s.have.Has(int(b.Span)):
		return append(out, Reject{Peer: node, Block: b, Reason: NotHere, RetryAfter: time.Second})
	case s.doubtful(b.Span):
		out = append(out, Reject{Peer: node, Block: b, Reason: Busy, RetryAfter: recheck})
		return s.nextChecks(out)
	case p.Foreign:
		return append(out, Upload{Peer: node, Block: b, Uplinks: int32(p.uplinks)})
	}
	if wait, why := s.choker.wait(s, now, p, b.Span); wait > 0 {
		return append(out, Reject{Peer: node, Block: b, Reason: why, RetryAfter: wait})
	}
	if p.level < s.cfg.Location.Depth() && s.cfg.Strategy.Stealing && !p.isMuted() {
		if s.noteStart(now, p, b.Span) { // it will tell us presently: others may ask before
			s.noteLeaving(now, p, b.Span)
		}
	}
	return append(out, Upload{Peer: node, Block: b, Uplinks: int32(p.uplinks)})
}

// spreads reports whether somebody else should spread the span to p. Nothing is
// held back from the only peer, nor where the copy given away has no way to p.
func (s *Swarm) spreads(now unit.Time, p *peer, x int32) bool {
	got, ok := s.seeding.spans[x]
	q := s.peers[got.to]
	switch {
	case !ok || q == nil:
		if s.relayed(p) && s.nearIsServed(now, p) || s.slowest(now, p) {
			return true
		}
		s.give(now, p, x)
		return false
	case q == p:
		if !p.have.Has(int(x)) {
			s.giving(now, p)
		}
		s.serving(now, p)
		return false
	case p.level > q.level || p.level < q.level && !s.relayed(p):
		break // bringing it back in would cost more, or nobody brings it out
	case len(s.seeding.spans) < len(s.cfg.Lengths) && now.Sub(s.seeding.gave) < nearFirst:
		return true // others wait to be given away for the first time
	case s.wantsSecond(p, x):
		break // which is its decision
	case p.level == q.level && now.Sub(p.met) > giveTime && q.relay.wait(now) > slowRelay && !s.relayed(p):
		break // nothing else is left to give, and q has more than it can pass on soon
	case now < got.at.Add(s.spreadTime(now)):
		return true
	}
	got.spread = true // by ourselves: no measure of how copies spread
	got.again = got.again || outsideOf(q, p)
	s.seeding.spans[x] = got
	s.serving(now, p)
	return false
}

// wantsSecond reports whether a span is with a peer that is nearer to p than we are:
// that p asks us for it all the same means that it would take too long from there.
func (s *Swarm) wantsSecond(p *peer, x int32) bool {
	for _, r := range s.list {
		if r != p && r.level == p.level && r.have.Has(int(x)) && r.Location.Common(p.Location).Depth() > p.level {
			return true
		}
	}
	return false
}

// relayed reports whether peers nearer than p bring what they are given out to
// p: whether one of them is in a group that p is in. Peers at one level of ours
// are all in that level's group.
func (s *Swarm) relayed(p *peer) bool {
	for _, r := range s.list {
		if r.level > p.level && r.Top <= p.level {
			return true
		}
	}
	return false
}

// spreadTime is how long a copy is left to spread: by how long copies have
// taken, and two thirds of what the transfer has taken, so that on slow machines and
// links, too, the wait is a part of the whole.
func (s *Swarm) spreadTime(now unit.Time) time.Duration {
	least := leastGive
	if s.seeding.latency == 0 {
		least = giveTime
	}
	most := max(maxGiveTime, 2*s.seeding.latency)
	return min(max(least, spreadFactor*s.seeding.latency, now.Sub(s.seeding.began)*2/3), most)
}

// give books a span's first copy.
func (s *Swarm) give(now unit.Time, p *peer, x int32) {
	if len(s.seeding.spans) == 0 {
		s.seeding.began = now
	}
	s.seeding.spans[x] = served{to: p.Node, at: now}
	s.giving(now, p)
	s.serving(now, p)
}

// giving notes that a first copy is given, by a block of many if the span is long.
func (s *Swarm) giving(now unit.Time, p *peer) { p.relay.servedAt, s.seeding.gave = now, now }

func (s *Swarm) serving(now unit.Time, p *peer) { s.seeding.near[p.level] = now + 1 }

// nearIsServed reports whether peers nearer than p are being served just now.
func (s *Swarm) nearIsServed(now unit.Time, p *peer) bool {
	for _, at := range s.seeding.near[p.level+1:] {
		if at > 0 && now.Sub(at) < nearFirst {
			return true
		}
	}
	return false
}

// noteSpread learns from a peer's HAVE how fast copies spread, and what the
// peers that were given them pass on.
func (s *Swarm) noteSpread(now unit.Time, node unit.NodeID, x int32) {
	got, ok := s.seeding.spans[x]
	p, q := s.peers[node], s.peers[got.to]
	if !ok || p.Foreign {
		return
	}
	s.noteRelay(now, p, q, x, &got)
	if got.to != node && !got.spread {
		got.spread = true
		took := now.Sub(got.at)
		if s.seeding.latency == 0 {
			s.seeding.latency = took
		}
		s.seeding.latency += (took - s.seeding.latency) / 8
	}
	s.seeding.spans[x] = got
}

// outsideOf reports whether p is outside of q's location, or both are in ours.
func outsideOf(q, p *peer) bool { return p.Location.Common(q.Location).Depth() <= q.level }

// noteRelay learns from p's HAVE what q, who was given the span, has to pass on, and
// did. What stays in q's own location is not passed on, unless that is ours.
func (s *Swarm) noteRelay(now unit.Time, p, q *peer, x int32, got *served) {
	n := int(s.cfg.Lengths[x])
	switch {
	case got.passed || q == nil:
	case p == q:
		q.relay.add(now, n)
	case outsideOf(q, p):
		got.passed = true
		switch {
		case !q.have.Has(int(x)):
		case got.again:
			q.relay.add(now, -n)
		default:
			q.relay.passed(now, n)
		}
	}
}

// Sent says that payload was sent to a peer.
func (s *Swarm) Sent(node unit.NodeID, n unit.Bytes) {
	s.counters.Sent += n
	if at, ok := s.seats[node]; ok {
		k := s.known[at]
		k.account.Up += n
		s.crossings[s.uplinksTo(k.account.Location)].sent += n
	}
}
