package artifact

import (
	"crypto/sha256"
	"encoding/binary"
)

// abreast says that the processor has the instructions that compressTwo needs.
var abreast = hasSHA()

// hasSHA looks for the SHA extensions, SSSE3 and SSE4.1.
func hasSHA() bool {
	const (
		ssse3 = 1 << 9
		sse41 = 1 << 19
		sha   = 1 << 29
	)
	last, _, _ := cpuid(0)
	if last < 7 {
		return false
	}
	_, _, features := cpuid(1)
	_, extended, _ := cpuid(7)
	return features&ssse3 != 0 && features&sse41 != 0 && extended&sha != 0
}

// twoLeaves returns the SHA-256 of two leaves of full size, which takes little
// longer than one of them where the processor computes both abreast.
func twoLeaves(a, b *[LeafSize]byte) (hash, hash) {
	if !abreast {
		return sha256.Sum256(a[:]), sha256.Sum256(b[:])
	}
	states := [2][8]uint32{initial, initial}
	compressTwo(&states, &a[0], &b[0], LeafSize/sha256.BlockSize, &constants)
	compressTwo(&states, &leafPadding[0], &leafPadding[0], 1, &constants)
	return digest(&states[0]), digest(&states[1])
}

// stateOrder is where the words A to H lie in a state of compressTwo.
var stateOrder = [8]int{3, 2, 7, 6, 1, 0, 5, 4}

func digest(state *[8]uint32) (sum hash) {
	for word, at := range stateOrder {
		binary.BigEndian.PutUint32(sum[4*word:], state[at])
	}
	return sum
}

// initial is the state before the first block (FIPS 180-4, 5.3.3).
var initial = [8]uint32{0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667, 0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372}

// leafPadding is the last block of a message of LeafSize bytes (FIPS 180-4, 5.1.1).
var leafPadding = func() (block [sha256.BlockSize]byte) {
	block[0] = 0x80
	binary.BigEndian.PutUint64(block[56:], 8*LeafSize)
	return block
}()

// constants are those of the rounds (FIPS 180-4, 4.2.2).
var constants = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

// compressTwo takes so many blocks of 64 bytes, 1 or more, of two messages at a
// and b into their states. It needs what hasSHA looks for.
//
//go:noescape
func compressTwo(states *[2][8]uint32, a, b *byte, blocks int, constants *[64]uint32)

// cpuid is the instruction, with 0 for a subleaf.
//
//go:noescape
func cpuid(leaf uint32) (eax, ebx, ecx uint32)
