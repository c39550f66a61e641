package swarm

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Started lists the spans in transfer, for a peer that was not there when they
// were STARTed.
func (s *Swarm) Started() []uint32 {
	spans := make([]uint32, len(s.actives.list))
	for i, a := range s.actives.list {
		spans[i] = uint32(a.span)
	}
	return spans
}

// PeerStarted takes a peer's START. If we have STARTed the same span, have
// received nothing of it, and it would come in twice, one of us yields: the one
// that is farther from owning it by the division's hash (requirement 16).
func (s *Swarm) PeerStarted(now unit.Time, node unit.NodeID, spans []uint32, out []Action) []Action {
	p, ok := s.sane(node, spans)
	if !ok {
		return s.badRequest(node, out)
	}
	if p.isMuted() {
		return out
	}
	for _, u := range spans {
		x := int32(u)
		if s.starts.of(x, p) == nil {
			s.noteStart(now, p, x) // to say it again and again makes it no newer
		}
		if a := s.actives.of[x]; a != nil && s.yields(a, p) && s.heeds(now, p, x) {
			out = s.release(a, out)
		}
	}
	return out
}

// yields reports whether our own START gives way to p's.
func (s *Swarm) yields(a *active, p *peer) bool {
	if a.received > 0 || !s.cfg.Strategy.Stealing {
		return false
	}
	from := s.known[a.primary].peer
	if from == nil || s.conflicts(from, p) != secondCopy {
		return false // to yield to the same work would be to start it again at once
	}
	run := int(a.span) / s.division.runLength
	return mix(nodeHash(p.Node), run) > mix(nodeHash(s.cfg.Self), run)
}

// PeerStopped takes a peer's STOP.
func (s *Swarm) PeerStopped(now unit.Time, node unit.NodeID, spans []uint32, out []Action) []Action {
	p, ok := s.sane(node, spans)
	if !ok {
		return s.badRequest(node, out)
	}
	if p.isMuted() {
		return out
	}
	for _, x := range spans {
		s.breakStart(now, int32(x), p)
	}
	return s.fillAll(now, out)
}

// noteStart takes a START, or a request, into account, and reports whether it counts
// from now on.
func (s *Swarm) noteStart(now unit.Time, p *peer, x int32) bool {
	if st := s.starts.of(x, p); st != nil {
		young := now.Sub(st.since) < longestStart
		if young {
			st.at = now
		}
		return young
	}
	if !s.believes(p) {
		return false
	}
	since := now.Add(-p.promises.stood(now, x))
	s.starts.add(x, start{p, since, since})
	return since == now
}

// breakStart ends a peer's START of a span that it does not have.
func (s *Swarm) breakStart(now unit.Time, x int32, p *peer) {
	if since, ok := s.starts.remove(x, p); ok {
		p.promises.breaks(now, x, now.Sub(since))
	}
}

func (s *Swarm) forgetStarts(now unit.Time, p *peer) {
	for x := range s.cfg.Lengths {
		if s.starts.spans.Has(x) {
			s.breakStart(now, int32(x), p)
		}
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
	// it would be asked of an initial seeder twice although that somebody will pass
	// it on.
	secondCopy
)

// conflicts judges a START of q against fetching the span from p.
func (s *Swarm) conflicts(p, q *peer) conflict {
	switch {
	case q == p:
		return noConflict
	case p.Initial && !q.Starving || q.level > p.level:
		return secondCopy
	case q.level == p.level && p.level == s.cfg.Location.Depth():
		return sameWork
	}
	return noConflict
}

// patienceNow is how long a START is respected when there is nothing else to do:
// several times what our own spans take, and a part of what the transfer has
// taken. A fellow that is much slower, such as by a limit, delays us little then.
func (s *Swarm) patienceNow(now unit.Time) time.Duration {
	if s.spanTime == 0 {
		return patience
	}
	return min(max(leastPatience, spanTimes*s.spanTime, now.Sub(s.began)/4), patience)
}

// spanTimes is how many times as long as ours a fellow's span may take.
const spanTimes = 8

// noteSpanTime learns from a span that is stored.
func (s *Swarm) noteSpanTime(took time.Duration) {
	if s.spanTime == 0 {
		s.spanTime = took
	}
	s.spanTime = max(s.spanTime+(took-s.spanTime)/8, 1)
}

// bringsOut reports whether q fetches a span out of p's location that nobody outside
// of it has: we can have it of q.
func (s *Swarm) bringsOut(p, q *peer, x int32) bool {
	return p.outside && !q.Starving && q.level == p.level && q.Location != p.Location && s.sole(p, x)
}

// sole reports whether nobody outside of p's location has a span.
func (s *Swarm) sole(p *peer, x int32) bool {
	return !slices.ContainsFunc(s.list, func(q *peer) bool { return q.Location != p.Location && q.have.Has(int(x)) })
}

// started returns the worst conflict of fetching x from p with STARTs that still
// count, and when the newest START of that kind was heard.
func (s *Swarm) started(now unit.Time, p *peer, x int32) (worst conflict, at unit.Time) {
	if !s.cfg.Strategy.Stealing {
		return noConflict, 0
	}
	for _, st := range s.starts.lists[x] {
		c := s.conflicts(p, st.peer)
		if c == noConflict && s.bringsOut(p, st.peer, x) {
			c = secondCopy
		}
		if now.Sub(st.at) >= startTTL || c < worst || c == noConflict {
			continue
		}
		if c > worst || st.at > at {
			worst, at = c, st.at
		}
	}
	return worst, at
}
