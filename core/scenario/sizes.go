package scenario

import (
	"math"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Of the sizes of a tree's files before they are scaled, a log-normal
// distribution as file systems have it.
const (
	medianSize = 4 * unit.KiB
	sigma      = 2
)

// Sizes are the sizes of the artifact's files, the same for the same artifact:
// one of Size, or as many as Files of log-normal sizes scaled so that they sum to
// Size. Some may be empty.
func (a Artifact) Sizes() []unit.Bytes {
	if a.Files <= 1 {
		return []unit.Bytes{a.Size}
	}
	rand := unit.NewRand(a.Seed)
	ends := make([]float64, a.Files) // where each file would end in a row of all
	sum := 0.
	for i := range ends {
		sum += float64(medianSize) * math.Exp(sigma*normal(rand))
		ends[i] = sum
	}
	sizes := make([]unit.Bytes, a.Files)
	var before unit.Bytes
	for i, end := range ends {
		here := a.Size
		if end < sum { // the last one ends at Size exactly
			here = min(unit.Bytes(math.Round(end/sum*float64(a.Size))), a.Size)
		}
		sizes[i], before = here-before, here
	}
	return sizes
}

// normal draws from the standard normal distribution, by Box and Muller.
func normal(r *unit.Rand) float64 {
	uniform := func() float64 { return (float64(r.Uint64()>>11) + 0.5) / (1 << 53) }
	return math.Sqrt(-2*math.Log(uniform())) * math.Cos(2*math.Pi*uniform())
}
