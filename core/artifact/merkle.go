package artifact

import (
	"crypto/sha256"

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
	n := (len(data) + LeafSize - 1) / LeafSize
	if !wholeFile {
		n = int(pieceLength / LeafSize)
	}
	leaves := make([]hash, n)
	for i := 0; len(data) > 0; i++ {
		size := min(len(data), LeafSize)
		leaves[i] = sha256.Sum256(data[:size])
		data = data[size:]
	}
	return merkle.RootWithPadHash(leaves, hash{})
}

// LayerRoot returns the root of a file from the hashes of its pieces, one or
// more. A file of one piece has that piece's hash for a root.
func LayerRoot(layer [][32]byte, pieceLength int64) [32]byte {
	return merkle.RootWithPadHash(layer, zeroPiece(pieceLength))
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
	if len(part) == n {
		return merkle.Root(part)
	}
	all := make([]hash, n)
	for i := copy(all, part); i < n; i++ {
		all[i] = pad
	}
	return merkle.Root(all)
}

// zeroPiece is the hash of a piece beyond the end of the file: a tree of zero
// leaves.
func zeroPiece(pieceLength int64) hash {
	var h hash
	var pair [2 * sha256.Size]byte
	for n := pieceLength / LeafSize; n > 1; n /= 2 {
		copy(pair[:sha256.Size], h[:])
		copy(pair[sha256.Size:], h[:])
		h = sha256.Sum256(pair[:])
	}
	return h
}
