package swarm

import (
	"math/bits"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// set is a set of spans, bit x%64 of word x/64 for span x, so that choosing one
// among thousands takes a few operations on words.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func setOf(b artifact.Bitset) set {
	t := newSet(b.Len())
	for x := b.NextSet(0); x >= 0; x = b.NextSet(x + 1) {
		t.Set(x)
	}
	return t
}

// bitset returns it as the bitset of n numbers that others use.
func (t set) bitset(n int) artifact.Bitset {
	b := artifact.NewBitset(n)
	for i, w := range t {
		for ; w != 0; w &= w - 1 {
			b.Set(i*64 + bits.TrailingZeros64(w))
		}
	}
	return b
}

func (t set) Has(x int) bool { return t[x/64]&(1<<(x%64)) != 0 }
func (t set) Set(x int)      { t[x/64] |= 1 << (x % 64) }
func (t set) Clear(x int)    { t[x/64] &^= 1 << (x % 64) }

// Count is how many spans are in it.
func (t set) Count() (n int) {
	for _, w := range t {
		n += bits.OnesCount64(w)
	}
	return n
}

// from returns n members, 1 to 64, from span x on as the low bits of a word.
func (t set) from(x, n int) uint64 {
	w := t[x/64] >> (x % 64)
	if x%64+n > 64 && x/64+1 < len(t) {
		w |= t[x/64+1] << (64 - x%64)
	}
	return w & (1<<n - 1)
}
