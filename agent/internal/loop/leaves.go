package loop

import (
	"fmt"
	"math"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// maxLeafRequests bounds the pieces of a span whose leaves are asked for. The
// rest is taken to be wrong as a whole.
const maxLeafRequests = 64

// maxLeafPlaces bounds the files of the same content in which leaves that a peer
// wants are looked for.
const maxLeafPlaces = 16

// inquiry is the asking of a peer for the leaves of a span that failed. Its fields
// are touched only by run, until nothing is waited for.
type inquiry struct {
	peer      unit.NodeID
	span      int32
	wrong     []int                    // pieces
	waiting   map[wire.HashRange][]int // pieces, several if they are of the same content
	leaves    map[int][][32]byte       // of the pieces that were asked for
	comparing bool
}

// leafRequest asks for the leaves of a piece; false if it has only one, or its
// place in the file is beyond what the message can say.
func leafRequest(m *artifact.Manifest, piece int) (wire.HashRange, bool) {
	r := m.LeafRange(piece)
	ok := r.Length > 1 && r.Index <= math.MaxUint32
	return wire.HashRange{Root: r.Root, Index: uint32(r.Index), Length: uint32(r.Length)}, ok
}

// fetchLeaves asks for the leaves of the wrong pieces of a span. While what came
// of an earlier peer is compared, which takes too long then, nothing is asked.
func (l *Loop) fetchLeaves(t *transfer, a node.FetchLeaves) {
	k, old := t.links[a.Peer], t.inquiries[a.Span]
	if k == nil || old != nil && old.comparing {
		return
	}
	q := &inquiry{peer: a.Peer, span: a.Span, waiting: map[wire.HashRange][]int{}, leaves: map[int][][32]byte{}}
	t.inquiries[a.Span] = q
	q.wrong = t.buffers.Load().wrongPieces(a.Span)
	for _, piece := range q.wrong {
		r, ok := leafRequest(t.manifest, piece)
		asked := q.waiting[r] != nil
		if !ok || !asked && len(q.waiting) == maxLeafRequests {
			continue
		}
		q.waiting[r] = append(q.waiting[r], piece)
		if !asked {
			k.conn.Send(wire.HashRequest{HashRange: r})
		}
	}
	if len(q.waiting) == 0 {
		l.compare(t, q)
	}
}

// leaves takes an answer of a peer. What nobody asked of it is not looked at.
func (l *Loop) leaves(t *transfer, from unit.NodeID, r wire.HashRange, hashes [][32]byte) {
	for span, q := range t.inquiries {
		pieces := q.waiting[r]
		if q.peer != from || pieces == nil {
			continue
		}
		if hashes == nil {
			delete(t.inquiries, span)
			l.step(node.LeavesReceived{Transfer: t.digest, Peer: from, Span: span, Result: swarm.LeavesRefused})
			return
		}
		delete(q.waiting, r)
		for _, piece := range pieces {
			q.leaves[piece] = hashes
		}
		if len(q.waiting) == 0 {
			l.compare(t, q)
		}
		return
	}
}

// compare hashes what came of a span, and reports whose leaves are wrong.
func (l *Loop) compare(t *transfer, q *inquiry) {
	buffers, m := t.buffers.Load(), t.manifest
	s := buffers.hold(q.span)
	if s == nil {
		return
	}
	q.comparing = true
	ev := node.LeavesReceived{Transfer: t.digest, Peer: q.peer, Span: q.span, Result: swarm.LeavesRefused}
	l.workers.Go(func() {
		l.hashers <- struct{}{}
		err := guarded(func() error {
			ev.Result, ev.Wrong = q.compare(m, s.buf)
			return nil
		})
		<-l.hashers
		if err != nil {
			l.log.Error("leaves not compared", "transfer", t.digest, "span", q.span, "leaves from", q.peer, "error", err)
		}
		buffers.unhold(s)
		l.post(func(unit.Time) {
			if t.ended || t.inquiries[q.span] != q {
				return
			}
			delete(t.inquiries, q.span)
			if ev.Result == swarm.LeavesProven {
				l.log.Info("wrong bytes found", "transfer", t.digest, "span", q.span, "parts", len(ev.Wrong), "leaves from", q.peer)
			}
			l.step(ev)
		})
	})
}

// compare returns what is wrong of a span's bytes.
func (q *inquiry) compare(m *artifact.Manifest, span []byte) (swarm.LeavesResult, []swarm.Block) {
	var wrong []swarm.Block
	for _, piece := range q.wrong {
		_, begin := m.PieceInSpan(piece)
		length := int32(m.Piece(piece).Length)
		leaves, asked := q.leaves[piece]
		switch {
		case !asked:
			wrong = append(wrong, swarm.Block{Span: q.span, Begin: begin, Length: length})
			continue
		case !m.VerifyLeaves(piece, leaves):
			return swarm.LeavesForged, nil
		}
		for _, i := range artifact.WrongLeaves(span[begin:begin+length], leaves) {
			at := int32(i) * artifact.LeafSize
			wrong = append(wrong, swarm.Block{Span: q.span, Begin: begin + at, Length: min(artifact.LeafSize, length-at)})
		}
	}
	return swarm.LeavesProven, wrong
}

// leavesWanted looks up what a peer asks for, on the connection's goroutine: with
// many files it takes a while.
func (k *link) leavesWanted(r wire.HashRequest) {
	m := k.t.shape.Load()
	var places []swarm.LeafPlace
	if m != nil && k.lookups.take(k.t.loop.now()) {
		places = leafPlaces(m, r.HashRange)
	}
	if len(places) == 0 {
		k.conn.Send(wire.HashReject(r))
		return
	}
	ev := node.LeavesWanted{Transfer: k.t.digest, Peer: k.peer, Request: r, Places: places}
	ev.Length = int32(m.Piece(int(places[0].Piece)).Length)
	k.post(func(unit.Time) { k.t.loop.step(ev) })
}

// lookups counts how often a peer has had files looked for, since a second began.
// It is touched by the connection's goroutine only.
type lookups struct {
	since unit.Time
	n     int
}

// maxLookups is in a second. With 100,000 files one takes about a millisecond.
const maxLookups = 128

func (k *lookups) take(now unit.Time) bool {
	if now.Sub(k.since) >= time.Second {
		*k = lookups{since: now}
	}
	k.n++
	return k.n <= maxLookups
}

// leafPlaces are the pieces whose leaves a peer names, and where they are.
func leafPlaces(m *artifact.Manifest, r wire.HashRange) (places []swarm.LeafPlace) {
	if r.Base != 0 || r.ProofLayers != 0 {
		return nil
	}
	for _, piece := range m.PiecesOf(artifact.LeafRange{Root: r.Root, Index: int64(r.Index), Length: int64(r.Length)}, maxLeafPlaces) {
		places = append(places, swarm.LeafPlace{Piece: int32(piece), Span: int32(m.SpanOfPiece(piece))})
	}
	return places
}

// sendLeaves gives a peer the leaves of a piece.
func (l *Loop) sendLeaves(t *transfer, a node.SendLeaves) {
	k, content, m := t.links[a.Peer], t.content, t.manifest
	if k == nil {
		return
	}
	l.workers.Go(func() {
		l.hashers <- struct{}{}
		var leaves [][32]byte
		err := guarded(func() (err error) {
			leaves, err = readLeaves(m, content, int(a.Place.Piece))
			return err
		})
		<-l.hashers
		if err == nil {
			k.conn.Send(wire.Hashes{HashRange: a.Request.HashRange, Hashes: leaves})
			return
		}
		l.log.Debug("a peer gets no leaves", "peer", a.Peer, "transfer", t.digest, "span", a.Place.Span, "error", err)
		k.conn.Send(wire.HashReject(a.Request))
		l.post(func(unit.Time) {
			if !t.ended {
				l.step(node.SpanDoubted{Transfer: t.digest, Span: a.Place.Span})
			}
		})
	})
}

// readLeaves hashes a piece of the content, leaf by leaf, and makes sure that it
// is what the manifest says.
func readLeaves(m *artifact.Manifest, c swarmapi.Content, piece int) ([][32]byte, error) {
	span, begin := m.PieceInSpan(piece)
	left := int(m.Piece(piece).Length)
	leaves := make([][32]byte, 0, m.LeafRange(piece).Length)
	buf := make([]byte, min(left, 16*artifact.LeafSize))
	for at := int(begin); left > 0; at += len(buf) {
		buf = buf[:min(left, len(buf))]
		if err := c.ReadAt(span, at, buf); err != nil {
			return nil, fmt.Errorf("read the leaves of piece %d: %w", piece, err)
		}
		leaves = append(leaves, artifact.LeafHashes(buf)...)
		left -= len(buf)
	}
	leaves = leaves[:cap(leaves)] // zeros beyond the end of the file
	if !m.VerifyLeaves(piece, leaves) {
		return nil, fmt.Errorf("piece %d is not what it was", piece)
	}
	return leaves, nil
}
