package scenario

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Whatever the artifact, its files make up exactly its size, and come out the
// same the next time.
func TestSizesSumToTheArtifact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Artifact{
			Size:  unit.Bytes(rapid.Int64Range(0, math.MaxInt64).Draw(t, "size")),
			Seed:  rapid.Uint64().Draw(t, "seed"),
			Files: rapid.IntRange(1, 300).Draw(t, "files"),
		}
		sizes := a.Sizes()
		var sum unit.Bytes
		for _, size := range sizes {
			if size < 0 {
				t.Fatalf("a file of %d bytes", size)
			}
			sum += size
		}
		if sum != a.Size || len(sizes) != a.Files || !slices.Equal(sizes, a.Sizes()) {
			t.Fatalf("%d files of %d bytes, want %d of %d", len(sizes), sum, a.Files, a.Size)
		}
	})
}

// With a size that needs no scaling, the median is 4 KiB, and of the logarithms
// the middle 68% lie within σ = 2.
func TestSizesAreLogNormal(t *testing.T) {
	const n = 100_000
	mean := 4096 * math.Exp(2) // of a log-normal distribution: median·exp(σ²/2)
	sizes := Artifact{Size: unit.Bytes(n * mean), Seed: 1, Files: n}.Sizes()
	slices.Sort(sizes)
	for q, want := range map[float64]float64{0.1587: -2, 0.5: 0, 0.8413: 2} {
		got := math.Log(float64(sizes[int(q*n)]) / 4096)
		if math.Abs(got-want) > 0.1 {
			t.Errorf("the logarithm at %.2f is %.2f, want %.2f", q, got, want)
		}
	}
}
