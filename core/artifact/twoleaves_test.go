package artifact

import (
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"
)

// TestLeafHashes compares with crypto/sha256, leaf by leaf, at any alignment.
func TestLeafHashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaves := rapid.IntRange(0, 7).Draw(t, "leaves")
		more := rapid.SampledFrom([]int{0, 1, 63, 64, LeafSize - 1}).Draw(t, "more")
		skip := rapid.IntRange(0, 17).Draw(t, "skip")
		data := content(t, skip+leaves*LeafSize+more)[skip:]
		got := LeafHashes(data)
		if want := (len(data) + LeafSize - 1) / LeafSize; len(got) != want {
			t.Fatalf("%d hashes of %d bytes, want %d", len(got), len(data), want)
		}
		for i, sum := range got {
			if want := sha256.Sum256(data[i*LeafSize : min((i+1)*LeafSize, len(data))]); sum != want {
				t.Errorf("leaf %d of %d bytes: %x, want %x", i, len(data), sum, want)
			}
		}
	})
}

// content is n bytes that look like chance.
func content(t *rapid.T, n int) []byte {
	seed := rapid.Uint64().Draw(t, "seed")
	data := make([]byte, n)
	for i := range data {
		seed = seed*6364136223846793005 + 1442695040888963407 // Knuth's MMIX generator
		data[i] = byte(seed >> 56)
	}
	return data
}

// TestTwoLeavesAreApart gives the pair the same content, swaps it, and changes
// one bit of one of them.
func TestTwoLeavesAreApart(t *testing.T) {
	var a, b [LeafSize]byte
	b[LeafSize-1] = 1
	sumA, sumB := sha256.Sum256(a[:]), sha256.Sum256(b[:])
	for _, c := range []struct {
		first, second *[LeafSize]byte
		want          [2]hash
	}{
		{&a, &a, [2]hash{sumA, sumA}},
		{&a, &b, [2]hash{sumA, sumB}},
		{&b, &a, [2]hash{sumB, sumA}},
	} {
		if x, y := twoLeaves(c.first, c.second); [2]hash{x, y} != c.want {
			t.Errorf("%x and %x, want %x", x, y, c.want)
		}
	}
}

// BenchmarkTwoLeaves compares with one after the other.
func BenchmarkTwoLeaves(b *testing.B) {
	var x, y [LeafSize]byte
	b.Run("in turn", func(b *testing.B) {
		b.SetBytes(2 * LeafSize)
		for b.Loop() {
			sha256.Sum256(x[:])
			sha256.Sum256(y[:])
		}
	})
	b.Run("abreast", func(b *testing.B) {
		b.SetBytes(2 * LeafSize)
		for b.Loop() {
			twoLeaves(&x, &y)
		}
	})
}
