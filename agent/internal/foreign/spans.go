package foreign

import (
	"fmt"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/wire"
)

// spans is what both sides have, in pieces and in spans.
//
// Invariant: lacking[s] is how many pieces of span s the client lacks; wanted is
// how many spans it has that we lack.
type spans struct {
	manifest *artifact.Manifest
	ours     artifact.Bitset // spans that the client was told of
	theirs   artifact.Bitset // pieces
	lacking  []int32
	wanted   int
}

func newSpans(m *artifact.Manifest) spans {
	s := spans{manifest: m, ours: artifact.NewBitset(m.NumSpans()), theirs: artifact.NewBitset(m.NumPieces())}
	s.lacking = make([]int32, m.NumSpans())
	for i := range s.lacking {
		s.lacking[i] = m.Span(i).Pieces
	}
	return s
}

// weGot notes a span of ours; false if the client knew.
func (s *spans) weGot(span int) bool {
	if s.ours.Has(span) {
		return false
	}
	s.ours.Set(span)
	if s.lacking[span] == 0 {
		s.wanted--
	}
	return true
}

// weLost takes a span of ours back. The client is not told: BitTorrent has no word
// for it, and a request will be rejected.
func (s *spans) weLost(span int) {
	if s.ours.Has(span) {
		s.ours.Clear(span)
		if s.lacking[span] == 0 {
			s.wanted++
		}
	}
}

// theyGot notes a piece of the client's. span is the one that it completes, or -1.
func (s *spans) theyGot(piece uint32) (span int, err error) {
	if int64(piece) >= int64(s.manifest.NumPieces()) {
		return -1, fmt.Errorf("%w: piece %d of %d", wire.ErrMalformed, piece, s.manifest.NumPieces())
	}
	if s.theirs.Has(int(piece)) {
		return -1, nil
	}
	s.theirs.Set(int(piece))
	span = s.manifest.SpanOfPiece(int(piece))
	if s.lacking[span]--; s.lacking[span] > 0 {
		return -1, nil
	}
	if !s.ours.Has(span) {
		s.wanted++
	}
	return span, nil
}

// theyGotAll takes a whole bitfield of the client's.
func (s *spans) theyGotAll(pieces artifact.Bitset) {
	for p := pieces.NextSet(0); p >= 0; p = pieces.NextSet(p + 1) {
		_, _ = s.theyGot(uint32(p)) // p is a piece
	}
}

// bitfield is what the client has, in spans.
func (s *spans) bitfield() wire.SpanBitfield {
	have := artifact.NewBitset(len(s.lacking))
	for i, n := range s.lacking {
		if n == 0 {
			have.Set(i)
		}
	}
	return wire.SpanBitfield{Bits: have.Bytes()}
}

// seeds reports whether both sides have everything: there is nothing to say.
func (s *spans) seeds() bool { return s.ours.Full() && s.theirs.Full() }

// place is where a piece lies in its span.
type place struct {
	span   int
	begin  int64 // in the span
	length int64 // of the piece
}

func (s *spans) place(piece int) place {
	span, begin := s.manifest.PieceInSpan(piece)
	return place{span, int64(begin), s.manifest.Piece(piece).Length}
}

// part is a stretch of a piece that is asked for at once.
type part struct {
	request
	at int // where it goes, from the beginning of what it is a part of
}

// blockSize is what clients answer at most to one request (BEP 3).
const blockSize = 16 << 10

// cut divides a range of a span, which must lie in it, at the borders of pieces
// and at every 16 KiB of a piece.
func (s *spans) cut(span int, begin, length int64) []part {
	in, end := s.manifest.Span(span), begin+length
	var parts []part
	for p := int(in.FirstPiece); p < int(in.FirstPiece+in.Pieces); p++ {
		at := s.place(p)
		from, to := max(begin, at.begin), min(end, at.begin+at.length)
		for from < to {
			offset := from - at.begin
			n := min(to-from, blockSize-offset%blockSize)
			parts = append(parts, part{request{uint32(p), uint32(offset), uint32(n)}, int(from - begin)})
			from += n
		}
	}
	return parts
}
