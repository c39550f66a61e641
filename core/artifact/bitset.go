package artifact

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// Bitset is a set of the numbers from 0 to Len()-1: the pieces or spans that
// somebody has. Copies of a Bitset share their bits; use Clone for a copy of
// its own. The zero value is a set of length 0.
type Bitset struct {
	// words holds bit i at bit 63-i%64 of word i/64, so that the big-endian
	// bytes of the words are a BEP 3 bitfield.
	// Invariant: bits from n on are zero.
	words []uint64
	n     int
}

// NewBitset returns the empty subset of n numbers. n must not be negative.
func NewBitset(n int) Bitset {
	return Bitset{words: make([]uint64, (n+63)/64), n: n}
}

// All returns the set of all n numbers.
func All(n int) Bitset {
	b := NewBitset(n)
	for i := range b.words {
		b.words[i] = ^uint64(0)
	}
	if spare := len(b.words)*64 - n; spare > 0 {
		b.words[len(b.words)-1] <<= spare
	}
	return b
}

// ParseBitset reads a BEP 3 bitfield of n bits, high bit first. It must have
// exactly as many bytes as n bits need, and spare bits must be zero.
func ParseBitset(data []byte, n int) (Bitset, error) {
	if n < 0 || len(data) != (n+7)/8 {
		return Bitset{}, fmt.Errorf("bitfield of %d bytes: %d bits need %d", len(data), n, (max(n, 0)+7)/8)
	}
	if spare := len(data)*8 - n; spare > 0 && data[len(data)-1]<<(8-spare) != 0 {
		return Bitset{}, fmt.Errorf("bitfield of %d bits: spare bits are set", n)
	}
	b := NewBitset(n)
	for i, v := range data {
		b.words[i/8] |= uint64(v) << (56 - i%8*8)
	}
	return b, nil
}

// Bytes writes the set as a BEP 3 bitfield, high bit first.
func (b Bitset) Bytes() []byte {
	out := make([]byte, 0, len(b.words)*8)
	for _, w := range b.words {
		out = binary.BigEndian.AppendUint64(out, w)
	}
	return out[:(b.n+7)/8]
}

// Len is the number of bits, set or not.
func (b Bitset) Len() int { return b.n }

// Has reports whether i is in the set; numbers outside 0..Len()-1 never are.
func (b Bitset) Has(i int) bool {
	return i >= 0 && i < b.n && b.words[i/64]&mask(i) != 0
}

// Set adds i, which must be in 0..Len()-1.
func (b Bitset) Set(i int) {
	b.check(i)
	b.words[i/64] |= mask(i)
}

// Clear removes i, which must be in 0..Len()-1.
func (b Bitset) Clear(i int) {
	b.check(i)
	b.words[i/64] &^= mask(i)
}

func (b Bitset) check(i int) {
	if i < 0 || i >= b.n {
		panic(fmt.Sprintf("artifact: bit %d of a bitset of %d", i, b.n))
	}
}

func mask(i int) uint64 { return 1 << (63 - uint(i)%64) }

// Count is how many numbers are in the set.
func (b Bitset) Count() int {
	c := 0
	for _, w := range b.words {
		c += bits.OnesCount64(w)
	}
	return c
}

// Full reports whether every number is in the set.
func (b Bitset) Full() bool { return b.NextClear(0) < 0 }

// Clone returns a copy that shares nothing with b.
func (b Bitset) Clone() Bitset {
	return Bitset{words: slices.Clone(b.words), n: b.n}
}

// NextSet returns the first number from from on that is in the set, or -1.
func (b Bitset) NextSet(from int) int { return b.next(from, 0) }

// NextClear returns the first number from from on, below Len(), that is not in
// the set, or -1.
func (b Bitset) NextClear(from int) int { return b.next(from, ^uint64(0)) }

// next finds the first set bit of the words after they were xored with flip.
func (b Bitset) next(from int, flip uint64) int {
	from = max(from, 0)
	if from >= b.n {
		return -1
	}
	w := from / 64
	word := (b.words[w] ^ flip) & (^uint64(0) >> (uint(from) % 64))
	for word == 0 {
		if w++; w == len(b.words) {
			return -1
		}
		word = b.words[w] ^ flip
	}
	if i := w*64 + bits.LeadingZeros64(word); i < b.n {
		return i
	}
	return -1
}
