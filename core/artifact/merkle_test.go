package artifact

import (
	"slices"
	"testing"

	"github.com/anacrolix/torrent/merkle"
	"pgregory.net/rapid"
)

// TestHashesEqualReference compares piece hashes and roots with those that
// anacrolix/torrent computes from the stream.
func TestHashesEqualReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieceLength := int64(LeafSize) << rapid.IntRange(0, 4).Draw(t, "piece length")
		content := pattern(rapid.IntRange(1, 6*int(pieceLength)).Draw(t, "length"))
		layer := pieceLayer(content, pieceLength)
		if len(layer) > 1 {
			for i, got := range layer {
				h := merkle.NewHash()
				h.Write(content[i*int(pieceLength) : min(len(content), (i+1)*int(pieceLength))])
				if want := [32]byte(h.SumMinLength(nil, int(pieceLength))); got != want {
					t.Fatalf("piece %d of %d bytes: %x, want %x", i, len(content), got, want)
				}
			}
		}
		h := merkle.NewHash()
		h.Write(content)
		if got, want := LayerRoot(layer, pieceLength), [32]byte(h.Sum(nil)); got != want {
			t.Fatalf("root of %d bytes: %x, want %x", len(content), got, want)
		}
	})
}

func TestCoarsen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := int64(LeafSize) << rapid.IntRange(0, 2).Draw(t, "from")
		to := from << rapid.IntRange(0, 3).Draw(t, "factor")
		content := pattern(rapid.IntRange(int(from)+1, 5*int(to)+1).Draw(t, "length"))
		if got, want := Coarsen(pieceLayer(content, from), from, to), pieceLayer(content, to); !slices.Equal(got, want) {
			t.Fatalf("%d bytes, from %d to %d: %x, want %x", len(content), from, to, got, want)
		}
	})
}

func BenchmarkPieceHash(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"4KiB", 4 << 10}, {"256KiB", 256 << 10}, {"4MiB", 4 << 20}} {
		b.Run(c.name, func(b *testing.B) {
			data := pattern(c.size)
			b.SetBytes(int64(c.size))
			for b.Loop() {
				PieceHash(data, 4<<20, c.size < 4<<20)
			}
		})
	}
}
