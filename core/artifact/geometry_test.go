package artifact

import (
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"
)

func TestGeometry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawTree(t)
		m := g.mustBuild(t)
		checkFiles(t, m)
		checkSpans(t, m)
		for f, file := range m.Files() {
			first, last, ok := m.SpansOfFile(f)
			if ok != (file.Length > 0) {
				t.Fatalf("file %+v: spans %v", file, ok)
			}
			if !ok {
				continue
			}
			a, b := m.Span(first), m.Span(last)
			if a.Offset > file.Offset || a.Offset+int64(a.Length) <= file.Offset {
				t.Fatalf("file %+v does not start in its first span %+v", file, a)
			}
			if end := file.Offset + file.Length; b.Offset >= end || b.Offset+int64(b.Length) < end {
				t.Fatalf("file %+v does not end in its last span %+v", file, b)
			}
		}
	})
}

// checkFiles checks that pieces partition the files and files the stream.
func checkFiles(t *rapid.T, m *Manifest) {
	piece, offset := 0, int64(0)
	for i, f := range m.Files() {
		if int(f.FirstPiece) != piece || f.Offset != offset {
			t.Fatalf("file %+v should start at piece %d, offset %d", f, piece, offset)
		}
		at := int64(0)
		for range f.Pieces {
			p := m.Piece(piece)
			full := p.Length == m.PieceLength() || at+p.Length == f.Length
			if int(p.File) != i || p.Offset != at || p.Length < 1 || p.Length > m.PieceLength() || !full {
				t.Fatalf("piece %d of file %+v is %+v", piece, f, p)
			}
			at += p.Length
			piece++
		}
		if at != f.Length {
			t.Fatalf("the pieces of %+v have %d bytes", f, at)
		}
		offset += f.Length
	}
	if piece != m.NumPieces() || offset != int64(m.Size()) {
		t.Fatalf("%d pieces, %d bytes: want %d, %d", m.NumPieces(), m.Size(), piece, offset)
	}
}

// checkSpans checks that spans partition the pieces and the stream, that none is
// longer than a piece, and that none could have taken the next one's first.
func checkSpans(t *rapid.T, m *Manifest) {
	piece, offset := 0, int64(0)
	for i := range m.NumSpans() {
		s := m.Span(i)
		if int(s.FirstPiece) != piece || s.Offset != offset || s.Pieces < 1 || m.SpanLengths()[i] != s.Length {
			t.Fatalf("span %d is %+v, should start at piece %d, offset %d", i, s, piece, offset)
		}
		length := int64(0)
		for range s.Pieces {
			if m.SpanOfPiece(piece) != i {
				t.Fatalf("piece %d is in span %d, not %d", piece, m.SpanOfPiece(piece), i)
			}
			length += m.Piece(piece).Length
			piece++
		}
		if length != int64(s.Length) || length > m.PieceLength() {
			t.Fatalf("span %+v has %d bytes", s, length)
		}
		if piece < m.NumPieces() && length+m.Piece(piece).Length <= m.PieceLength() {
			t.Fatalf("span %+v has room for piece %d", s, piece)
		}
		offset += length
	}
	if piece != m.NumPieces() || offset != int64(m.Size()) || len(m.SpanLengths()) != m.NumSpans() {
		t.Fatalf("the spans hold %d pieces, %d bytes: want %d, %d", piece, offset, m.NumPieces(), m.Size())
	}
}

func TestVerifyPiece(t *testing.T) {
	for _, length := range []int{1, LeafSize, LeafSize + 1, 4 * LeafSize, 4*LeafSize + 1, 9*LeafSize + 77} {
		const pieceLength = 4 * LeafSize
		content := pattern(length)
		m := fileManifest(t, content, pieceLength)
		for i := range m.NumPieces() {
			p := m.Piece(i)
			data := append([]byte(nil), content[p.Offset:p.Offset+p.Length]...)
			if !m.VerifyPiece(i, data) {
				t.Errorf("%d bytes: piece %d is refused", length, i)
			}
			if m.VerifyPiece(i, data[1:]) || m.VerifyPiece(i, append(data, 0)) {
				t.Errorf("%d bytes: piece %d of another length is accepted", length, i)
			}
			data[len(data)/2] ^= 1
			if m.VerifyPiece(i, data) {
				t.Errorf("%d bytes: piece %d with a wrong bit is accepted", length, i)
			}
		}
	}
}

func pattern(n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	for sum := sha256.Sum256(nil); len(out) < n; sum = sha256.Sum256(sum[:]) {
		out = append(out, sum[:]...)
	}
	return out[:n]
}

func fileManifest(t testing.TB, content []byte, pieceLength int64) *Manifest {
	b := NewBuilder("f", KindFile, pieceLength)
	b.AddFile("f", 0o644, int64(len(content)), pieceLayer(content, pieceLength))
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func pieceLayer(content []byte, pieceLength int64) [][32]byte {
	var layer [][32]byte
	whole := int64(len(content)) <= pieceLength
	for len(content) > 0 {
		n := min(len(content), int(pieceLength))
		layer = append(layer, PieceHash(content[:n], pieceLength, whole))
		content = content[n:]
	}
	return layer
}

func TestChoosePieceLength(t *testing.T) {
	for _, c := range []struct {
		size  int64
		files int
		want  int64
	}{
		{0, 0, 16 << 10}, {1, 1, 16 << 10}, {1 << 20, 1, 16 << 10}, {4 << 20, 1, 64 << 10},
		{16 << 20, 1, 256 << 10}, {173_000_000, 1, 256 << 10}, {230_000_000, 15_036, 256 << 10},
		{1 << 30, 1, 1 << 20}, {10 << 30, 1, 8 << 20}, {1 << 40, 1, 16 << 20}, {1 << 62, MaxEntries, 16 << 20},
	} {
		if got := ChoosePieceLength(c.size, c.files); got != c.want {
			t.Errorf("%d bytes in %d files: %d, want %d", c.size, c.files, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(256<<20, 15<<30).Draw(t, "size")
		length := ChoosePieceLength(size, rapid.IntRange(1, 1_000_000).Draw(t, "files"))
		if spans := size / length; spans < 500 || spans > 4000 || CheckPieceLength(length) != nil {
			t.Fatalf("%d bytes: piece length %d gives %d spans", size, length, spans)
		}
	})
}

func TestLayerGivesTheRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawTree(t)
		m, err := g.build()
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range m.Files() {
			layer := m.Layer(i)
			if len(layer) != int(f.Pieces) {
				t.Fatalf("%q has %d pieces and %d hashes", f.Path, f.Pieces, len(layer))
			}
			if f.Pieces > 0 && LayerRoot(layer, m.PieceLength()) != f.Root {
				t.Fatalf("the hashes of %q do not give its root", f.Path)
			}
		}
	})
}
