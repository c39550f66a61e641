package unit

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Rand is a seeded source of chance. The same seed gives the same sequence, so
// that a run can be repeated; nothing in the pure packages draws from a global
// source.
type Rand struct{ r *rand.Rand }

// NewRand returns the source that the seed determines.
func NewRand(seed uint64) *Rand {
	return &Rand{rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))}
}

// IntN returns a number in [0, n). n must be positive.
func (r *Rand) IntN(n int) int { return r.r.IntN(n) }

// Uint64 returns 64 bits of chance.
func (r *Rand) Uint64() uint64 { return r.r.Uint64() }

// Jitter returns a duration in [0, d), or 0 if d is not positive.
func (r *Rand) Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(r.r.Int64N(int64(d)))
}

// Seed derives a seed from words, the same on every machine.
func Seed(words ...string) uint64 {
	h := fnv.New64a()
	for _, w := range words {
		h.Write([]byte(w))
		h.Write([]byte{0})
	}
	return h.Sum64()
}
