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

// Started lists the spans in transfer, for a peer that was not there when they
// were STARTed.
func (s *Swarm) Started() []uint32 {
	spans := make([]uint32, len(s.actives))
	for i, x := range s.actives {
		spans[i] = uint32(x)
	}
	return spans
}

// PeerStarted takes a peer's START. If we have STARTed the same span and have
// received nothing of it, one of us yields: the one that is farther from owning
// it by the division's hash (requirement 16).
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
	if from == nil || s.conflicts(from, p.Node) == noConflict {
		return false
	}
	run := int(x) / s.division.runLength
	return mix(nodeHash(p.Node), run) > mix(nodeHash(s.cfg.Self), run)
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

// conflict is what a START by another peer means for fetching the span from a
// given peer.
type conflict uint8

const (
	noConflict conflict = iota
	// sameWork: somebody of our own location fetches it from inside, too; no
	// shared link carries it twice.
	sameWork
	// secondCopy: somebody closer to us than that peer brings it in already, or
	// it would be asked of an initial seeder twice.
	secondCopy
)

// conflicts judges a START against fetching the span from p.
func (s *Swarm) conflicts(p *peer, by unit.NodeID) conflict {
	q := s.peers[by]
	switch {
	case q == nil || q == p:
		return noConflict
	case p.Initial || q.level > p.level:
		return secondCopy
	case q.level == p.level && p.level == s.cfg.Location.Depth():
		return sameWork
	}
	return noConflict
}

// started returns the worst conflict of fetching x from p with STARTs that still
// count, and when the newest START of that kind was heard.
func (s *Swarm) started(now unit.Time, p *peer, x int32) (worst conflict, at unit.Time) {
	if !s.cfg.Stealing {
		return noConflict, 0
	}
	for _, st := range s.starts[x] {
		c := s.conflicts(p, st.peer)
		if now.Sub(st.at) >= startTTL || c < worst || c == noConflict {
			continue
		}
		if c > worst {
			at = 0
		}
		worst, at = c, max(at, st.at)
	}
	return worst, at
}
