package scenario

import (
	"slices"
	"time"
)

// Quantile is the q-quantile of sorted values, interpolated between two of them;
// 0 of none. It is how all of a report's medians and percentiles are computed.
func Quantile[T float64 | time.Duration](sorted []T, q float64) T {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + T((at-float64(i))*float64(sorted[i+1]-sorted[i]))
}

// PercentilesOf are those of times in any order, zero of none.
func PercentilesOf(times []time.Duration) Percentiles {
	sorted := slices.Sorted(slices.Values(times))
	ms := func(q float64) float64 { return float64(Quantile(sorted, q)) / float64(time.Millisecond) }
	return Percentiles{P50: ms(0.5), P99: ms(0.99)}
}
