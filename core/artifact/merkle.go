package artifact

import (
	"crypto/sha256"
	"math/bits"

	"github.com/anacrolix/torrent/merkle"
)

// hash is a node of a Merkle tree.
type hash = [sha256.Size]byte

// LeafSize is how many bytes one leaf of the Merkle trees covers (BEP 52).
const LeafSize = merkle.BlockSize

// PieceHash returns the Merkle root of one piece's leaves. A piece of a file of
// several pieces is padded with zero leaves to the piece length; wholeFile
// says that the piece is its file's only one, which is padded to the next power
// of two only, and whose hash is the file's root. data is 1 to pieceLength
// bytes.
func PieceHash(data []byte, pieceLength int64, wholeFile bool) [32]byte {
	if wholeFile && len(data) <= LeafSize {
		return sha256.Sum256(data)
	}
	width := treeWidth(int64(len(data)), pieceLength, wholeFile)
	var space [64]hash // for a piece of 1 MiB
	leaves := space[:]
	if width > len(space) {
		leaves = make([]hash, width)
	}
	hashLeaves(leaves, data)
	return root(leaves[:width])
}

// hashLeaves writes the hashes of the leaves that data fills, the last perhaps in
// part, to the first elements of leaves.
func hashLeaves(leaves []hash, data []byte) {
	for len(data) >= 2*LeafSize {
		leaves[0], leaves[1] = twoLeaves((*[LeafSize]byte)(data), (*[LeafSize]byte)(data[LeafSize:]))
		leaves, data = leaves[2:], data[2*LeafSize:]
	}
	for i := 0; len(data) > 0; i++ {
		n := min(len(data), LeafSize)
		leaves[i] = sha256.Sum256(data[:n])
		data = data[n:]
	}
}

// treeWidth is how many leaves the tree of a piece of length bytes has, padding
// included: a power of two.
func treeWidth(length, pieceLength int64, wholeFile bool) int {
	if !wholeFile {
		return int(pieceLength / LeafSize)
	}
	return 1 << bits.Len64(uint64((length-1)/LeafSize))
}

// root is the root of a power of two of hashes, which it overwrites.
func root(level []hash) hash {
	for len(level) > 1 {
		half := level[:len(level)/2]
		for i := range half {
			half[i] = parentHash(level[2*i], level[2*i+1])
		}
		level = half
	}
	return level[0]
}

func parentHash(left, right hash) hash {
	var pair [2 * sha256.Size]byte
	copy(pair[:], left[:])
	copy(pair[sha256.Size:], right[:])
	return sha256.Sum256(pair[:])
}

// LayerRoot returns the root of a file from the hashes of its pieces, one or
// more. A file of one piece has that piece's hash for a root.
func LayerRoot(layer [][32]byte, pieceLength int64) [32]byte {
	return padded(layer, 1<<bits.Len(uint(len(layer)-1)), zeroPiece(pieceLength))
}

// Coarsen turns the piece hashes of one file at one piece length into those at a
// longer one, both powers of two, so that a file can be hashed in parts shorter
// than its pieces. The layer has two hashes or more, each of PieceHash without
// wholeFile. What becomes a single piece gets the file's root.
func Coarsen(layer [][32]byte, from, to int64) [][32]byte {
	n := int(to / from)
	if len(layer) <= n {
		return []hash{LayerRoot(layer, from)}
	}
	pad := zeroPiece(from)
	out := make([]hash, 0, (len(layer)+n-1)/n)
	for len(layer) > 0 {
		part := layer[:min(n, len(layer))]
		layer = layer[len(part):]
		out = append(out, padded(part, n, pad))
	}
	return out
}

// padded is the root of n hashes, those that are missing being pad.
func padded(part []hash, n int, pad hash) hash {
	all := make([]hash, n)
	for i := copy(all, part); i < n; i++ {
		all[i] = pad
	}
	return root(all)
}

// zeroPiece is the hash of a piece beyond the end of the file: a tree of zero
// leaves.
func zeroPiece(pieceLength int64) hash {
	var h hash
	for n := pieceLength / LeafSize; n > 1; n /= 2 {
		h = parentHash(h, h)
	}
	return h
}
