package wire

import (
	"crypto/sha256"
	"fmt"
)

// MaxHashes bounds what one Hashes carries: the leaves of a piece of 128 MiB, and
// what proves them.
const MaxHashes = 8192 + 64

// HashRange names hashes of one file's Merkle tree (BEP 52): Length of them from
// Index on, in the layer Base steps above the leaves, and the uncles that lead
// from there ProofLayers up.
type HashRange struct {
	Root                             [sha256.Size]byte // of the file
	Base, Index, Length, ProofLayers uint32
}

// HashRequest asks for hashes (BEP 52).
type HashRequest struct{ HashRange }

// Hashes answers a HashRequest: the layer's hashes, then the uncles from the
// bottom up (BEP 52). There are at most MaxHashes.
type Hashes struct {
	HashRange
	Hashes [][sha256.Size]byte
}

// HashReject says that a HashRequest will not be answered (BEP 52).
type HashReject struct{ HashRange }

// hashRangeSize is the length of an encoded HashRange in bytes.
const hashRangeSize = sha256.Size + 4*4

func (r HashRange) appendBody(dst []byte) []byte {
	dst = append(dst, r.Root[:]...)
	return appendUint32s(dst, r.Base, r.Index, r.Length, r.ProofLayers)
}

func (m Hashes) appendBody(dst []byte) []byte {
	dst = m.HashRange.appendBody(dst)
	for i := range m.Hashes {
		dst = append(dst, m.Hashes[i][:]...)
	}
	return dst
}

// hashRange is the format of messages that are a HashRange.
func hashRange(name string, msg func(HashRange) Message) format {
	return fixed(name, hashRangeSize, func(b fields) (Message, error) { return msg(parseHashRange(b)), nil })
}

func parseHashRange(b fields) HashRange {
	rest := b[sha256.Size:]
	return HashRange{[sha256.Size]byte(b[:sha256.Size]), rest.u32(0), rest.u32(1), rest.u32(2), rest.u32(3)}
}

func readHashes(d *Decoder, n int) (Message, error) {
	b, err := d.take(n)
	if err != nil {
		return nil, err
	}
	m, rest := Hashes{HashRange: parseHashRange(b)}, b[hashRangeSize:]
	if len(rest)%sha256.Size != 0 {
		return nil, fmt.Errorf("%w: %d bytes of hashes", ErrMalformed, len(rest))
	}
	m.Hashes = make([][sha256.Size]byte, len(rest)/sha256.Size)
	for i := range m.Hashes {
		copy(m.Hashes[i][:], rest[i*sha256.Size:])
	}
	return m, nil
}
