package artifact

import (
	"crypto/sha256"
	"math/bits"
)

// MinHole is the least length of a file for whose zeros ZeroPieces looks, and of
// a run of zeros that is worth a hole.
const MinHole = 64 << 10

var zeroLeaf = sha256.Sum256(make([]byte, LeafSize))

// ZeroPieceHash is PieceHash of length zero bytes, without hashing them: length
// is 1 to pieceLength.
func ZeroPieceHash(length, pieceLength int64, wholeFile bool) [32]byte {
	n := pieceLength / LeafSize
	if wholeFile {
		leaves := (length + LeafSize - 1) / LeafSize
		n = 1 << bits.Len64(uint64(leaves-1))
	}
	return zeroTree(n, length)
}

// zeroTree is the root of n leaves, a power of two, that cover length zero bytes;
// the leaves beyond them are padding.
func zeroTree(n, length int64) hash {
	switch {
	case length <= 0:
		return zeroPiece(n * LeafSize)
	case n == 1 && length == LeafSize:
		return zeroLeaf
	case n == 1:
		return sha256.Sum256(make([]byte, length))
	}
	half := n / 2
	left := zeroTree(half, min(length, half*LeafSize))
	right := left
	if length < n*LeafSize {
		right = zeroTree(half, length-half*LeafSize)
	}
	return parentHash(left, right)
}

// ZeroPieces is the set of pieces that hold nothing but zeros, in files of
// MinHole bytes or more. Nobody has to be asked for them.
func (m *Manifest) ZeroPieces() Bitset {
	zeros := NewBitset(int(m.pieces))
	full := ZeroPieceHash(m.pieceLength, m.pieceLength, false)
	for i := range m.files {
		f := &m.files[i]
		if f.Length < MinHole {
			continue
		}
		if f.Pieces == 1 {
			if f.Root == ZeroPieceHash(f.Length, m.pieceLength, true) {
				zeros.Set(int(f.FirstPiece))
			}
			continue
		}
		hashes := m.layers[m.layerOf(f)].hashes
		for k := range int(f.Pieces) {
			want := full
			if rest := f.Length - int64(k)*m.pieceLength; rest < m.pieceLength {
				want = ZeroPieceHash(rest, m.pieceLength, false)
			}
			if hashes[k*len(want):(k+1)*len(want)] == string(want[:]) {
				zeros.Set(int(f.FirstPiece) + k)
			}
		}
	}
	return zeros
}
