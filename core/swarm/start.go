package swarm

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

// start is a peer's START of a span: it has requested the first block.
type start struct {
	peer unit.NodeID
	at   unit.Time
}

// PeerStarted takes a peer's START. If we have STARTed the same span and have
// received nothing of it, one of us yields: the one that does not own it, else
// the larger name (requirement 16).
func (s *Swarm) PeerStarted(now unit.Time, node unit.NodeID, spans []uint32, out []Action) []Action {
	p, ok := s.sane(node, spans)
	if !ok {
		return s.badRequest(node, out)
	}
	for _, u := range spans {
		x := int32(u)
		s.removeStart(x, node)
		s.starts[x] = append(s.starts[x], start{node, now})
		if s.yields(x, p) {
			out = s.release(x, out)
		}
	}
	return out
}

// yields reports whether our own START of x gives way to p's.
func (s *Swarm) yields(x int32, p *peer) bool {
	a := s.active[x]
	if a == nil || a.received > 0 || !s.cfg.Stealing {
		return false
	}
	from := s.peers[a.primary]
	if from == nil || !s.contested(from, start{peer: p.Node}) {
		return false
	}
	s.redivide()
	if mine := s.owns(x) || s.brings(x) && !from.Initial; mine {
		return false
	}
	return p.Node < s.cfg.Self
}

// PeerStopped takes a peer's STOP.
func (s *Swarm) PeerStopped(now unit.Time, node unit.NodeID, spans []uint32, out []Action) []Action {
	if _, ok := s.sane(node, spans); !ok {
		return s.badRequest(node, out)
	}
	for _, x := range spans {
		s.removeStart(int32(x), node)
	}
	return s.fillAll(now, out)
}

func (s *Swarm) removeStart(x int32, node unit.NodeID) {
	list := slices.DeleteFunc(s.starts[x], func(st start) bool { return st.peer == node })
	if len(list) == 0 {
		delete(s.starts, x)
		return
	}
	s.starts[x] = list
}

func (s *Swarm) forgetStarts(node unit.NodeID) {
	for x := range s.starts {
		s.removeStart(x, node)
	}
}

// contested reports whether a START by another peer says that fetching the span
// from p would carry it twice over a shared link: from an initial seeder any
// START counts, from elsewhere those of peers inside the location that we
// represent, or of our own group if we represent nobody.
func (s *Swarm) contested(p *peer, st start) bool {
	if st.peer == p.Node {
		return false
	}
	by := s.peers[st.peer]
	return by != nil && (p.Initial || by.inside || !s.place.represents)
}

// startedAt returns when the newest START that contests fetching x from p was
// heard, and whether there is one.
func (s *Swarm) startedAt(now unit.Time, p *peer, x int32) (at unit.Time, contested bool) {
	for _, st := range s.starts[x] {
		if now.Sub(st.at) < startTTL && s.contested(p, st) {
			at, contested = max(at, st.at), true
		}
	}
	return at, contested && s.cfg.Stealing
}
