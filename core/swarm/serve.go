package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// An initial seeder gives each span to one peer and lets that copy spread:
// others are sent away until the peer has had it for spreadTime, at most
// giveTime after it was given, and told to ask again after askAgain.
const (
	spreadTime = 3 * time.Second
	giveTime   = 8 * time.Second
	askAgain   = 250 * time.Millisecond
)

// served is to whom an initial seeder gave a span first.
type served struct {
	to    unit.NodeID
	until unit.Time // others are sent away until then
	has   bool      // the peer has announced it
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
	case s.cfg.Initial && s.cfg.Stealing && s.spreads(now, p, b.Span):
		return append(out, Reject{Peer: node, Block: b, Reason: ServedElsewhere, RetryAfter: askAgain})
	}
	return append(out, Upload{Peer: node, Block: b})
}

// spreads reports whether another peer was given the span and should spread
// it. It never holds a span back from the only peer, nor once the peer that
// got it is gone.
func (s *Swarm) spreads(now unit.Time, p *peer, x int32) bool {
	got, ok := s.served[x]
	q := s.peers[got.to]
	if !ok || q == nil {
		s.served[x] = served{to: p.Node, until: now.Add(giveTime)}
		return false
	}
	if got.to == p.Node {
		return false
	}
	if !got.has && q.have.Has(int(x)) {
		got.has, got.until = true, min(got.until, now.Add(spreadTime))
		s.served[x] = got
	}
	return now < got.until
}

// Sent says that payload was sent to a peer.
func (s *Swarm) Sent(n unit.Bytes) { s.counters.Sent += n }
