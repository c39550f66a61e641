package artifact

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// filled is a tree of a few files with real content, and the stream of all.
func filled(t *rapid.T) (*Manifest, []byte) {
	pieceLength := int64(LeafSize) << rapid.IntRange(0, 3).Draw(t, "piece length")
	lengths := rapid.SliceOfN(rapid.OneOf(
		rapid.IntRange(0, 3*LeafSize), rapid.IntRange(1, 4*int(pieceLength)),
		rapid.Map(rapid.IntRange(1, 12), func(n int) int { return n * LeafSize }),
	), 1, 12).Draw(t, "lengths")
	b := NewBuilder("tree", KindTree, pieceLength)
	b.AddDir("", 0o755)
	var stream []byte
	for i, n := range lengths {
		content := make([]byte, n)
		for at := 0; at < n; at += LeafSize { // no two leaves are the same
			copy(content[at:], fmt.Sprintf("%c%d", 'a'+i, at))
		}
		if rapid.IntRange(0, 4).Draw(t, "all the same") == 0 {
			clear(content)
		}
		b.AddFile(fmt.Sprintf("%02d", i), 0o644, int64(n), pieceLayer(content, pieceLength))
		stream = append(stream, content...)
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return m, stream
}

// leavesOf are the leaves of a piece as a peer would send them: with padding.
func leavesOf(m *Manifest, i int, data []byte) [][32]byte {
	leaves := make([][32]byte, m.LeafRange(i).Length)
	copy(leaves, LeafHashes(data))
	return leaves
}

// Every byte of a span belongs to one leaf of one piece, whose range of leaves is
// known by the root; its leaves fold to what the manifest says, and others do not.
func TestLeaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, stream := filled(t)
		at, end := 0, int32(0) // the end of the piece before, in its span
		for i := range m.NumPieces() {
			p := m.Piece(i)
			data := stream[at : at+int(p.Length)]
			at += int(p.Length)
			span, begin := m.PieceInSpan(i)
			if int(m.Span(span).FirstPiece) == i {
				end = 0
			}
			if begin != end || span != m.SpanOfPiece(i) {
				t.Fatalf("piece %d begins at %d of span %d, want %d", i, begin, span, end)
			}
			end += int32(p.Length)
			if next := i + 1; (next == m.NumPieces() || int(m.Span(m.SpanOfPiece(next)).FirstPiece) == next) && end != m.Span(span).Length {
				t.Fatalf("the pieces of span %d have %d bytes, the span %d", span, end, m.Span(span).Length)
			}
			checkLeaves(t, m, i, data)
		}
	})
}

func checkLeaves(t *rapid.T, m *Manifest, i int, data []byte) {
	r := m.LeafRange(i)
	if got := m.PiecesOf(r, m.NumPieces()); !slices.Contains(got, i) || slices.ContainsFunc(got, func(k int) bool { return m.pieceHash(k) != m.pieceHash(i) }) {
		t.Fatalf("%+v is of pieces %v, want %d", r, got, i)
	}
	leaves := leavesOf(m, i, data)
	if !m.VerifyLeaves(i, leaves) {
		t.Fatalf("the leaves of piece %d, %+v, do not fold to its hash", i, r)
	}
	if m.VerifyLeaves(i, leaves[:len(leaves)-1]) || m.VerifyLeaves(i, append(leaves, [32]byte{})) {
		t.Fatalf("leaves of another number than %d verify", r.Length)
	}
	forged := slices.Clone(leaves)
	forged[rapid.IntRange(0, len(forged)-1).Draw(t, "forged")][7] ^= 1
	if m.VerifyLeaves(i, forged) {
		t.Fatalf("forged leaves of piece %d verify", i)
	}
	spoilt := slices.Clone(data)
	at := rapid.IntRange(0, len(spoilt)-1).Draw(t, "spoilt")
	spoilt[at] ^= 1
	if got := WrongLeaves(spoilt, leaves); !slices.Equal(got, []int{at / LeafSize}) || WrongLeaves(data, leaves) != nil {
		t.Fatalf("byte %d is wrong, leaves %v are found", at, got)
	}
}

func TestLeafRange(t *testing.T) {
	for _, c := range []struct {
		length         int64
		piece          int
		index, leaves  int64
		pieces, filled int
	}{
		{length: 1, leaves: 1, pieces: 1, filled: 1},
		{length: LeafSize, leaves: 1, pieces: 1, filled: 1},
		{length: LeafSize + 1, leaves: 2, pieces: 1, filled: 2},
		{length: 3 * LeafSize, leaves: 4, pieces: 1, filled: 3},
		{length: 4 * LeafSize, leaves: 4, pieces: 1, filled: 4},
		{length: 4*LeafSize + 1, piece: 1, index: 4, leaves: 4, pieces: 2, filled: 1},
		{length: 10 * LeafSize, piece: 2, index: 8, leaves: 4, pieces: 3, filled: 2},
	} {
		b := NewBuilder("f", KindFile, 4*LeafSize)
		layer := pieceLayer(pattern(int(c.length)), 4*LeafSize)
		b.AddFile("f", 0o644, c.length, layer)
		m, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		want := LeafRange{Root: m.Files()[0].Root, Index: c.index, Length: c.leaves}
		if got := m.LeafRange(c.piece); got != want || m.NumPieces() != c.pieces {
			t.Errorf("%d bytes, piece %d of %d: %+v, want %+v", c.length, c.piece, m.NumPieces(), got, want)
		}
		if got := len(LeafHashes(make([]byte, m.Piece(c.piece).Length))); got != c.filled {
			t.Errorf("%d bytes, piece %d: %d leaves are filled, want %d", c.length, c.piece, got, c.filled)
		}
	}
}

// Whatever range a peer names, only that of a piece finds one.
func FuzzPiecesOf(f *testing.F) {
	b := NewBuilder("tree", KindTree, 4*LeafSize)
	b.AddDir("", 0o755)
	for i, n := range []int{1, 5 * LeafSize, 9 * LeafSize, 5 * LeafSize, 0, 3 * LeafSize} {
		b.AddFile(fmt.Sprint(i), 0o644, int64(n), pieceLayer(pattern(n), 4*LeafSize))
	}
	m, err := b.Build()
	if err != nil {
		f.Fatal(err)
	}
	for i := range m.NumPieces() {
		r := m.LeafRange(i)
		f.Add(r.Root[:], r.Index, r.Length)
		f.Add(r.Root[:], r.Index, r.Length*2)
		f.Add(r.Root[:], -r.Length, r.Length)
	}
	none := sha256.Sum256(nil)
	f.Add(none[:], int64(0), int64(0))
	f.Fuzz(func(t *testing.T, root []byte, index, length int64) {
		if len(root) != 32 {
			return
		}
		r := LeafRange{Root: [32]byte(root), Index: index, Length: length}
		for _, i := range m.PiecesOf(r, 2) {
			if m.LeafRange(i) != r {
				t.Errorf("%+v is said to be of piece %d: %+v", r, i, m.LeafRange(i))
			}
		}
	})
}
