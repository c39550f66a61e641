package swarm

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A peer may say that what it was sent is wrong. The span is read from disk again
// and hashed; one that is wrong is withdrawn, and from then on nothing is trusted
// to be right: each span is hashed once more before it is served, so that an
// honest node does not send wrong bytes again.
const (
	maxChecks  = 2  // at a time
	maxWaiting = 64 // spans to be hashed
	// A peer can have checksPerPeer spans hashed in checkEvery.
	checksPerPeer = 16
	checkEvery    = 10 * time.Second
	// recheck is when a peer may ask again for a span that is hashed first.
	recheck = 50 * time.Millisecond
)

// checks are the spans to be hashed.
type checks struct {
	list     []check // those under way first
	underway int
	unproven set // nil while everything here is trusted
}

type check struct {
	span int32
	by   []unit.NodeID // who is told that it is right
}

// checkBudget adds up what a peer has had hashed, in spans or in bytes.
type checkBudget struct {
	since unit.Time
	used  int
}

// take takes n of what the peer has in checkEvery; false if that is more than is
// left.
func (b *checkBudget) take(now unit.Time, n, limit int) bool {
	if now.Sub(b.since) >= checkEvery {
		*b = checkBudget{since: now}
	}
	if b.used+n > limit {
		return false
	}
	b.used += n
	return true
}

// PeerSuspects takes a peer's word that what it was sent of the spans is wrong.
func (s *Swarm) PeerSuspects(now unit.Time, node unit.NodeID, spans []uint32, out []Action) []Action {
	p, ok := s.sane(node, spans)
	if !ok {
		return s.badRequest(node, out)
	}
	if p.isMuted() {
		return out
	}
	for _, u := range spans {
		switch x := int32(u); {
		case !s.have.Has(int(x)):
			out = append(out, Announce{Peer: node, What: DontHave, Spans: []uint32{u}})
		case p.budget.take(now, 1, checksPerPeer):
			s.check(x, node)
		}
	}
	return s.nextChecks(out)
}

// check has a span hashed, and a peer told if it is right.
func (s *Swarm) check(x int32, by unit.NodeID) {
	c := &s.checks
	i := slices.IndexFunc(c.list, func(k check) bool { return k.span == x })
	if i < 0 {
		if len(c.list) >= maxWaiting {
			return
		}
		i = len(c.list)
		c.list = append(c.list, check{span: x})
	}
	if k := &c.list[i]; by != "" && !slices.Contains(k.by, by) {
		k.by = append(k.by, by)
	}
}

// nextChecks has as many spans hashed as may be at a time.
func (s *Swarm) nextChecks(out []Action) []Action {
	c := &s.checks
	for c.underway < min(maxChecks, len(c.list)) {
		out = append(out, Verify{Span: c.list[c.underway].span})
		c.underway++
	}
	return out
}

// Verified brings the result of a Verify: whether the bytes on disk are right.
func (s *Swarm) Verified(now unit.Time, x int32, good bool, out []Action) []Action {
	c := &s.checks
	i := slices.IndexFunc(c.list[:c.underway], func(k check) bool { return k.span == x })
	if i < 0 {
		return out
	}
	by := c.list[i].by
	c.list = slices.Delete(c.list, i, i+1)
	c.underway--
	if good && c.unproven != nil {
		c.unproven.Clear(int(x))
	}
	if !good && s.have.Has(int(x)) {
		c.unproven = slices.Clone(s.have)
		s.lose(x) // which everybody is told
		out = s.fillAll(now, out)
	}
	if good && s.have.Has(int(x)) {
		for _, node := range by {
			if s.peers[node] != nil {
				out = append(out, Announce{Peer: node, What: Have, Spans: []uint32{uint32(x)}})
			}
		}
	}
	return s.nextChecks(out)
}

// doubtful reports whether a span is to be hashed before it is served, and has
// that done.
func (s *Swarm) doubtful(x int32) bool {
	if s.checks.unproven == nil || !s.checks.unproven.Has(int(x)) {
		return false
	}
	s.check(x, "")
	return true
}
