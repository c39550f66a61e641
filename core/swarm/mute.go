package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// MuteTime is how long nothing is taken from a peer that sent wrong bytes.
const MuteTime = 10 * time.Minute

// mute ends taking anything from a peer that has proven itself a liar, bytes or
// words. Its connection ends; when it comes back it is given what it asks for: else
// it would fetch a copy of its own across the uplink that all of its location share.
func (s *Swarm) mute(now unit.Time, p *peer, why HangupReason, out []Action) []Action {
	p.stalled = true // ask it for nothing while it goes
	if !p.Foreign {
		p.muted = now.Add(MuteTime)
	}
	return append(out, Hangup{Peer: p.Node, Reason: why})
}

// pardon listens to a peer again whose time is over.
func (s *Swarm) pardon(now unit.Time, p *peer) {
	if p.muted.Reached(now) {
		p.muted = 0
	}
}

// isMuted reports whether nothing is taken from the peer. Invariant: a muted peer has
// nothing and has STARTed nothing, as far as we know.
func (k *acquaintance) isMuted() bool { return k.muted > 0 }

// isMuted reports whether a node is muted, connected or not.
func (s *Swarm) isMuted(node unit.NodeID) bool {
	at, met := s.seats[node]
	return met && s.known[at].isMuted()
}
