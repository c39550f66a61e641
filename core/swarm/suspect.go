package swarm

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A sender of wrong bytes may be honest: what it serves was changed in place. It
// is told which spans were wrong, and until it has answered for all of them, by
// HAVE or by withdrawing them, it is asked for nothing. What had been requested
// before is the same incident, however much of it turns out wrong. Wrong bytes
// that were requested after its answer are a repeat: who had said that its bytes
// were right is given up at once; who admits each time, after maxIncidents.
const (
	maxIncidents = 8
	answerTime   = 10 * time.Second // silence is an answer, too
)

// suspect is what is known of a node's wrong bytes.
type suspect struct {
	spans     []int32   // it was told of and has not answered for
	since     unit.Time // when the last of them was told
	open      bool      // the incident: it has not answered for all of it once
	cleared   unit.Time // when it had, the last time
	incidents int
	denied    bool // it has said of spans that they are right
}

// suspected reports whether the peer has an answer to give first.
func (k *suspect) suspected() bool { return len(k.spans) > 0 }

// blame handles bytes of span x that are known to be wrong and of the node at a
// seat. asked is when the last of the span was requested.
func (s *Swarm) blame(now unit.Time, from seat, x int32, n unit.Bytes, asked unit.Time, out []Action) []Action {
	k := s.known[from]
	k.account.Bad += n
	g := &k.suspect
	repeat := g.incidents > 0 && !g.open && asked >= g.cleared
	if g.incidents == 0 || repeat {
		g.incidents++
		g.open = true
	}
	p := k.peer
	switch {
	case p == nil: // nobody there to ask
		g.clear(now)
		return out
	case repeat && (g.denied || g.incidents > maxIncidents):
		return s.mute(now, p, BadData, out)
	}
	p.refuse(now, x, now.Add(silentAfter))
	if p.Foreign { // which cannot be asked
		g.denied = true
		g.clear(now)
		return out
	}
	if !slices.Contains(g.spans, x) {
		g.spans = append(g.spans, x)
	}
	g.since = now
	return append(out, Announce{Peer: p.Node, What: Suspect, Spans: []uint32{uint32(x)}})
}

// answered takes what a suspected peer says of a span: that its bytes are right,
// or that it has them no more.
func (s *Swarm) answered(now unit.Time, p *peer, x int32, right bool) {
	g := &p.suspect
	i := slices.Index(g.spans, x)
	if i < 0 {
		return
	}
	g.spans = slices.Delete(g.spans, i, i+1)
	if right {
		g.denied = true
		delete(p.refused, x)
	}
	if !g.suspected() {
		g.clear(now)
	}
}

// clear ends the incident. What is found wrong later, but was requested before,
// does not move the time when it ended.
func (k *suspect) clear(now unit.Time) {
	k.spans = k.spans[:0]
	if k.open {
		k.open, k.cleared = false, now
	}
}

// answeredAll takes a whole bitfield as the answer for all spans.
func (s *Swarm) answeredAll(now unit.Time, p *peer) {
	for _, x := range slices.Clone(p.suspect.spans) {
		s.answered(now, p, x, p.have.Has(int(x)))
	}
}

// withdrawn handles that a peer has a span no more. What a peer under suspicion
// has sent of it is not worth keeping.
func (s *Swarm) withdrawn(now unit.Time, p *peer, x int32, out []Action) []Action {
	s.answered(now, p, x, false)
	for _, q := range s.list {
		if q.refused[x].suspected {
			delete(q.refused, x) // it was not to blame, or is not found out this way
		}
	}
	a := s.actives.of[x]
	if a == nil || p.suspect.incidents == 0 || a.received == len(a.grains) {
		return out
	}
	if slices.Contains(a.grains, grain(p.seat)|here) {
		return s.release(a, out)
	}
	return out
}

// expire takes silence for an answer.
func (s *Swarm) expire(now unit.Time, p *peer) {
	if g := &p.suspect; g.suspected() && now.Sub(g.since) >= answerTime {
		g.denied = true
		g.clear(now)
	}
}
