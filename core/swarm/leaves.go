package swarm

import (
	"cmp"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A span that fails and that several peers sent parts of is kept, while a peer
// that has it is asked for the hashes of the leaves of what is wrong. They prove
// themselves, whoever sends them, and tell whose bytes were wrong: right grains
// stay, the others are fetched again. If nobody has an answer, all is thrown away,
// and one sender is asked alone (single).
const (
	// Of spans that wait for leaves at a time there are at most maxInquiries,
	// and no more than maxInquired bytes of several.
	maxInquiries = 4
	maxInquired  = 16 << 20
	maxAsked     = 3 // peers, for the leaves of a span
	leavesTime   = 3 * time.Second
	// Of maxLeafBytes a peer can have the leaves hashed in checkEvery. A piece
	// counts as minLeafBytes at least.
	maxLeafBytes = 64 << 20
	minLeafBytes = 64 << 10
)

// FetchLeaves asks a peer for the hashes of the leaves of a span's wrong pieces.
// The span's buffer is kept; Leaves brings the result.
type FetchLeaves struct {
	Peer unit.NodeID
	Span int32
}

// DropBlock forgets what was received of a part of a span, which is requested
// again.
type DropBlock struct{ Block Block }

func (FetchLeaves) isAction() {}
func (DropBlock) isAction()   {}

// LeavesResult is what a FetchLeaves has come to.
type LeavesResult uint8

// Results of a FetchLeaves.
const (
	LeavesProven  LeavesResult = iota + 1 // the leaves are the manifest's
	LeavesRefused                         // the peer does not give them
	LeavesForged                          // what it gave is not what the manifest says
)

// inquiry is the asking for the leaves of a span. from is 0 while nobody is asked.
type inquiry struct {
	from  seat
	at    unit.Time
	asked []seat // so far
}

// inquire asks a peer for the leaves of a span that is all here and wrong; false
// if there is nobody to ask, or too much waits already.
func (s *Swarm) inquire(now unit.Time, a *active, out []Action) ([]Action, bool) {
	q := &a.inquiry
	q.from = 0
	p := s.informant(now, a)
	if p == nil || len(q.asked) >= maxAsked || !s.mayInquire(a) {
		return out, false
	}
	q.from, q.at, q.asked = p.seat, now, append(q.asked, p.seat)
	return append(out, FetchLeaves{Peer: p.Node, Span: a.span}), true
}

func (s *Swarm) mayInquire(a *active) bool {
	n, held := 0, 0
	for _, b := range s.actives.list {
		if b.inquiry.from != 0 {
			n++
			held += int(s.cfg.Lengths[b.span])
		}
	}
	return n == 0 || n < maxInquiries && held+int(s.cfg.Lengths[a.span]) <= maxInquired
}

// informant is who is to be asked for leaves next: somebody who sent nothing of
// the span, if there is one, and the nearest of those.
func (s *Swarm) informant(now unit.Time, a *active) *peer {
	var best *peer
	senders := a.senders()
	worse := func(p *peer) int {
		if slices.Contains(senders, p.seat) {
			return 1
		}
		return 0
	}
	for _, p := range s.list {
		if p.Foreign || p.stalled || !p.have.Has(int(a.span)) || slices.Contains(a.inquiry.asked, p.seat) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(worse(p), worse(best)), cmp.Compare(best.level, p.level)) < 0 {
			best = p
		}
	}
	return best
}

// inquireOn asks the next peer for leaves, or does without.
func (s *Swarm) inquireOn(now unit.Time, a *active, out []Action) []Action {
	out, asked := s.inquire(now, a, out)
	if asked {
		return out
	}
	return s.fillAll(now, s.discard(now, a, out))
}

// inquireOnIf does so for the spans whose inquiry is in vain.
func (s *Swarm) inquireOnIf(now unit.Time, vain func(*inquiry) bool, out []Action) []Action {
	for _, a := range slices.Clone(s.actives.list) {
		if q := &a.inquiry; q.from != 0 && vain(q) {
			out = s.inquireOn(now, a, out)
		}
	}
	return out
}

// Leaves brings the result of a FetchLeaves. wrong are the parts of the span that
// are proven wrong, each of which any of its senders may be to blame for; a part
// need not begin or end where grains do.
func (s *Swarm) Leaves(now unit.Time, node unit.NodeID, x int32, result LeavesResult, wrong []Block, out []Action) []Action {
	a, p := s.actives.of[x], s.peers[node]
	if a == nil || p == nil || a.inquiry.from != p.seat {
		return out
	}
	wrong = slices.DeleteFunc(slices.Clone(wrong), func(b Block) bool { return b.Span != x || !s.valid(b) })
	switch {
	case result == LeavesForged:
		out = s.mute(now, p, BadLeaves, out)
	case result == LeavesProven && len(wrong) > 0:
		return s.fillAll(now, s.attribute(now, a, wrong, out))
	}
	return s.inquireOn(now, a, out)
}

// findings are whose bytes of a span are wrong.
type findings struct {
	grains []bool // to be fetched again
	guilty []guilt
	shared []seat // who sent, with others, what is wrong beside that
}

// guilt is how much of what is wrong the node at a seat has sent alone, and when
// it was first asked for a part of the span.
type guilt struct {
	from  seat
	bytes unit.Bytes
	asked unit.Time
}

func (f *findings) isGuilty(at seat) bool {
	return slices.ContainsFunc(f.guilty, func(g guilt) bool { return g.from == at })
}

func (f *findings) convict(a *active, from seat, n int32) {
	i := slices.IndexFunc(f.guilty, func(g guilt) bool { return g.from == from })
	if i < 0 {
		i = len(f.guilty)
		f.guilty = append(f.guilty, guilt{from: from, asked: a.askedAt(from)})
	}
	f.guilty[i].bytes += unit.Bytes(n)
}

// attributed compares the wrong parts of a span with who sent them. What was proven
// before is right.
func (s *Swarm) attributed(a *active, wrong []Block) findings {
	f := findings{grains: make([]bool, len(a.grains))}
	var shared [][]seat
	for _, b := range wrong {
		i, j, _ := s.extent(b)
		var from []seat
		for k := i; k < j; k++ {
			if at := a.grains[k].from(); at != 0 {
				f.grains[k] = true
				from = append(from, at)
			}
		}
		slices.Sort(from)
		if from = slices.Compact(from); len(from) == 1 {
			f.convict(a, from[0], b.Length)
		} else {
			shared = append(shared, from)
		}
	}
	for _, from := range shared {
		if !slices.ContainsFunc(from, f.isGuilty) {
			f.shared = append(f.shared, from...)
		}
	}
	slices.Sort(f.shared)
	f.shared = slices.Compact(f.shared)
	return f
}

// attribute keeps what is right of a span, has the rest fetched again, and blames
// who sent it.
func (s *Swarm) attribute(now unit.Time, a *active, wrong []Block, out []Action) []Action {
	f, x := s.attributed(a, wrong), a.span
	out = s.keep(a, f.grains, out)
	if a.received == 0 {
		out = s.release(a, out)
	}
	for _, g := range f.guilty {
		out = s.blame(now, g.from, x, g.bytes, g.asked, out)
	}
	if len(f.shared) > 0 {
		s.single(now, x, f.shared)
	}
	return out
}

// keep makes what is wrong of a span available again. The rest is proven from now
// on: nobody is to blame for it. The span is nobody's, so that anybody may join.
func (s *Swarm) keep(a *active, wrong []bool, out []Action) []Action {
	s.actives.storing -= int(s.cfg.Lengths[a.span])
	a.inquiry, a.asks, a.primary, a.next = inquiry{}, a.asks[:0], 0, len(a.grains)
	for i := 0; i < len(wrong); {
		j := i
		for ; j < len(wrong) && wrong[j] == wrong[i]; j++ {
			a.grains[j] = here
			if wrong[i] {
				a.grains[j] = 0
			}
		}
		if wrong[i] {
			b := s.block(a.span, i, j)
			a.free, a.received, a.next = a.free+j-i, a.received-(j-i), min(a.next, i)
			s.counters.Duplicate += unit.Bytes(b.Length)
			out = append(out, DropBlock{b})
		}
		i = j
	}
	return out
}

// LeafPlace is a piece whose leaves are asked for, and the span that has it.
type LeafPlace struct{ Piece, Span int32 }

// PeerWantsLeaves says whether to give a peer the leaves of one of the places,
// which have the same length in bytes, and of which.
func (s *Swarm) PeerWantsLeaves(now unit.Time, node unit.NodeID, places []LeafPlace, length int32) (LeafPlace, bool) {
	p := s.peers[node]
	i := slices.IndexFunc(places, func(l LeafPlace) bool {
		return l.Span >= 0 && int(l.Span) < len(s.cfg.Lengths) && s.have.Has(int(l.Span))
	})
	if p == nil || i < 0 || !p.leaves.take(now, int(max(length, minLeafBytes)), maxLeafBytes) {
		return LeafPlace{}, false
	}
	return places[i], true
}

// Doubted has a span hashed that could not be read, or that was found wrong.
func (s *Swarm) Doubted(x int32, out []Action) []Action {
	if x >= 0 && int(x) < len(s.cfg.Lengths) && s.have.Has(int(x)) {
		s.check(x, "")
	}
	return s.nextChecks(out)
}
