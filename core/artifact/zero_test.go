package artifact

import (
	"testing"

	"pgregory.net/rapid"
)

func TestZeroPieceHashIsThatOfZeros(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieceLength := int64(MinPieceLength) << rapid.IntRange(0, 6).Draw(t, "shift")
		length := rapid.Int64Range(1, pieceLength).Draw(t, "length")
		if rapid.Bool().Draw(t, "round") {
			length = min((length+LeafSize-1)/LeafSize*LeafSize, pieceLength)
		}
		whole := rapid.Bool().Draw(t, "whole file")
		if ZeroPieceHash(length, pieceLength, whole) != PieceHash(make([]byte, length), pieceLength, whole) {
			t.Fatalf("%d zeros in pieces of %d, whole file: %v", length, pieceLength, whole)
		}
	})
}

// TestZeroPieces draws which pieces of several files are zero.
func TestZeroPieces(t *testing.T) {
	const pieceLength = MinHole
	rapid.Check(t, func(t *rapid.T) {
		b := NewBuilder("t", KindTree, pieceLength)
		b.AddDir("", 0o755)
		want := map[string][]bool{}
		for _, name := range []string{"a", "b", "c"} {
			length := rapid.IntRange(0, 5*pieceLength).Draw(t, name)
			var layer [][32]byte
			for at := 0; at < length; at += pieceLength {
				data := make([]byte, min(pieceLength, length-at))
				zero := rapid.Bool().Draw(t, "zero")
				if !zero {
					data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] = 1
				}
				layer = append(layer, PieceHash(data, pieceLength, length <= pieceLength))
				want[name] = append(want[name], zero && length >= MinHole)
			}
			b.AddFile(name, 0o644, int64(length), layer)
		}
		m, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		got := m.ZeroPieces()
		for _, f := range m.Files() {
			for i, zero := range want[f.Path] {
				if got.Has(int(f.FirstPiece)+i) != zero {
					t.Fatalf("piece %d of %q: %v, want %v", i, f.Path, !zero, zero)
				}
			}
		}
	})
}
