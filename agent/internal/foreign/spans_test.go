package foreign

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/artifact"
)

func drawContent(t *rapid.T) content {
	length := rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(0, 100_000), rapid.Just(16<<10), rapid.Just(64<<10))
	return newContent(16<<10<<rapid.IntRange(0, 3).Draw(t, "piece length"), rapid.SliceOfN(length, 1, 30).Draw(t, "files")...)
}

// What is asked of a client covers the range once, each part lies in a piece and
// is no longer than a client answers; and the other way round, a request finds the
// same bytes.
func TestPartsCoverTheRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawContent(t)
		if c.NumSpans() == 0 {
			return
		}
		s := newSpans(c.Manifest)
		conn := &Conn{cfg: Config{Manifest: c.Manifest}, spans: s}
		span := rapid.IntRange(0, c.NumSpans()-1).Draw(t, "span")
		total := int64(c.Span(span).Length)
		begin := rapid.Int64Range(0, total-1).Draw(t, "begin")
		length := rapid.Int64Range(1, total-begin).Draw(t, "length")
		at := int64(0)
		for _, p := range s.cut(span, begin, length) {
			if int64(p.at) != at || p.Length == 0 || p.Length > blockSize || int64(p.Begin+p.Length) > c.Piece(int(p.Piece)).Length {
				t.Fatalf("part %+v after %d bytes", p, at)
			}
			got, err := conn.locate(p.request)
			if want := (block{uint32(span), uint32(begin + at), p.Length}); err != nil || got != want {
				t.Fatalf("request %+v finds %+v, %v; want %+v", p.request, got, err, want)
			}
			at += int64(p.Length)
		}
		if at != length {
			t.Fatalf("the parts have %d bytes of %d", at, length)
		}
	})
}

// However pieces and spans come and go, the client has a span when it has all of
// its pieces, and what it has that we lack is counted right.
func TestSpansAreCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawContent(t)
		if c.NumSpans() == 0 {
			return
		}
		s := newSpans(c.Manifest)
		theirs, ours := artifact.NewBitset(c.NumPieces()), artifact.NewBitset(c.NumSpans())
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			span := rapid.IntRange(0, c.NumSpans()-1).Draw(t, "span")
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				if told := s.weGot(span); told == ours.Has(span) {
					t.Fatalf("span %d is told %v", span, told)
				}
				ours.Set(span)
			case 1:
				s.weLost(span)
				ours.Clear(span)
			default:
				piece := rapid.IntRange(0, c.NumPieces()-1).Draw(t, "piece")
				_, err := s.theyGot(uint32(piece))
				if theirs.Set(piece); err != nil {
					t.Fatal(err)
				}
			}
		}
		wanted, have := 0, artifact.NewBitset(c.NumSpans())
		for i := range c.NumSpans() {
			in := c.Span(i)
			if next := theirs.NextClear(int(in.FirstPiece)); next < 0 || next >= int(in.FirstPiece+in.Pieces) {
				have.Set(i)
				if !ours.Has(i) {
					wanted++
				}
			}
		}
		if s.wanted != wanted || string(s.bitfield().Bits) != string(have.Bytes()) {
			t.Fatalf("%d wanted, %x; should be %d, %x", s.wanted, s.bitfield().Bits, wanted, have.Bytes())
		}
	})
}
