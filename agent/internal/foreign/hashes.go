package foreign

import (
	"bytes"
	"crypto/sha256"
	"math/bits"
	"slices"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Bounds of one hash request (BEP 52).
const (
	maxHashes = 8192
	maxHashed = artifact.MaxPieceLength // bytes of content that are hashed for it
)

type hash = [sha256.Size]byte

// prove answers a request for hashes. It does so before it reads on, so that a
// client has one worked at.
func (c *Conn) prove(m wire.HashRequest) {
	hashes, ok := c.trees.answer(m.HashRange)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !ok {
		c.out.put(wire.HashReject(m))
		return
	}
	c.out.put(wire.Hashes{HashRange: m.HashRange, Hashes: hashes})
}

// trees gives hashes of the files' Merkle trees: down to the layer of pieces from
// the manifest, below it from the content.
type trees struct {
	manifest *artifact.Manifest
	read     func(span, begin int, buf []byte) error

	effort *Effort

	roots []int32  // the files by root, nil before the first request
	file  int      // what layers are of
	upper [][]hash // from the layer of pieces up to the root, nil before the first
}

// shape is how a file's tree is built: in layers, from the leaves (0) up to the
// root (height).
type shape struct {
	height int
	pieces int // the layer of the piece hashes; height if the file has one piece
}

func (t *trees) shapeOf(file int) shape {
	f := t.manifest.Files()[file]
	height := ceilLog2((f.Length + artifact.LeafSize - 1) / artifact.LeafSize)
	return shape{height, min(height, ceilLog2(t.manifest.PieceLength()/artifact.LeafSize))}
}

// ceilLog2 is the least k with n ≤ 2ᵏ; n is positive.
func ceilLog2(n int64) int { return bits.Len64(uint64(n - 1)) }

// answer returns the hashes that are asked for and the uncles that prove them;
// false if there are none such, it is too much, or the content is not here.
func (t *trees) answer(r wire.HashRange) ([]hash, bool) {
	file, ok := t.find(r.Root)
	if !ok {
		return nil, false
	}
	s := t.shapeOf(file)
	if !s.valid(r) {
		return nil, false
	}
	base, index, length := int(r.Base), int(r.Index), int(r.Length)
	if !t.effort.take(t.cost(file, s, base, index, length)) {
		return nil, false
	}
	node, ok := t.nodes(file, s, base, index, length)
	if !ok {
		return nil, false
	}
	out := make([]hash, 0, length+int(r.ProofLayers))
	for i := range length {
		out = append(out, node(base, index+i))
	}
	// Uncles that follow from the hashes themselves are left out.
	for k := ceilLog2(int64(length)); k <= int(r.ProofLayers); k++ {
		out = append(out, node(base+k, index>>k^1))
	}
	return out, true
}

// valid checks a request against the tree: a power of two of hashes, aligned.
func (s shape) valid(r wire.HashRange) bool {
	if r.Length < 2 || r.Length > maxHashes || r.Length&(r.Length-1) != 0 || r.Index%r.Length != 0 {
		return false
	}
	return int64(r.Base) < int64(s.height) && int64(r.Index)+int64(r.Length) <= int64(1)<<(s.height-int(r.Base)) &&
		int64(r.ProofLayers) < int64(s.height)-int64(r.Base)
}

// find looks a file up by its root. The first time that takes an index, which is
// of the files that have one.
func (t *trees) find(root hash) (int, bool) {
	files := t.manifest.Files()
	if t.roots == nil {
		if !t.effort.take(int64(len(files)) * indexCost) {
			return 0, false
		}
		t.roots = make([]int32, 0, len(files))
		for i, f := range files {
			if f.Pieces > 0 {
				t.roots = append(t.roots, int32(i))
			}
		}
		slices.SortFunc(t.roots, func(a, b int32) int { return bytes.Compare(files[a].Root[:], files[b].Root[:]) })
	}
	i, found := slices.BinarySearchFunc(t.roots, root, func(f int32, r hash) int { return bytes.Compare(files[f].Root[:], r[:]) })
	if !found {
		return 0, false
	}
	return int(t.roots[i]), true
}

// cost is what an answer takes, as bytes that are hashed.
func (t *trees) cost(file int, s shape, base, index, length int) (n int64) {
	if t.upper == nil || t.file != file {
		n = 2 * sha256.Size << (s.height - s.pieces)
	}
	if base < s.pieces {
		from, to := s.under(base, index, length)
		n += int64(to-from) << s.pieces * artifact.LeafSize
	}
	return n
}

// under is the range of pieces that a range of a layer below them is of.
func (s shape) under(base, index, length int) (from, to int) {
	perPiece := 1 << (s.pieces - base)
	return index / perPiece, (index + length + perPiece - 1) / perPiece
}

// nodes returns how to look up the nodes of a range in layer base and what is
// beside the way from it to the root.
func (t *trees) nodes(file int, s shape, base, index, length int) (node func(layer, i int) hash, ok bool) {
	above := t.above(file, s)
	if base >= s.pieces {
		return func(layer, i int) hash { return above[layer-s.pieces][i] }, true
	}
	from, to := s.under(base, index, length)
	below, ok := t.below(file, s, from, to)
	return func(layer, i int) hash {
		if layer >= s.pieces {
			return above[layer-s.pieces][i]
		}
		return below[layer][i-from<<(s.pieces-layer)]
	}, ok
}

// above returns the layers from the piece hashes up to the root.
func (t *trees) above(file int, s shape) [][]hash {
	if t.upper != nil && t.file == file {
		return t.upper
	}
	layer := t.manifest.Layer(file)
	pad := zeros(s.pieces)
	for len(layer) < 1<<(s.height-s.pieces) {
		layer = append(layer, pad)
	}
	t.file, t.upper = file, stack(layer, s.height-s.pieces)
	return t.upper
}

// below returns the layers from the leaves up to the piece hashes, of the pieces
// from..to-1 of a file, from the content.
func (t *trees) below(file int, s shape, from, to int) ([][]hash, bool) {
	f := t.manifest.Files()[file]
	if int64(to-from)<<s.pieces*artifact.LeafSize > maxHashed {
		return nil, false
	}
	leaves := make([]hash, 0, (to-from)<<s.pieces)
	buf := make([]byte, t.manifest.PieceLength())
	for p := from; p < min(to, int(f.Pieces)); p++ {
		data, ok := t.piece(int(f.FirstPiece)+p, buf)
		if !ok {
			return nil, false
		}
		leaves = append(leaves, artifact.LeafHashes(data)...)
	}
	leaves = append(leaves, make([]hash, (to-from)<<s.pieces-len(leaves))...)
	return stack(leaves, s.pieces), true
}

// piece reads a piece of the content into buf.
func (t *trees) piece(p int, buf []byte) ([]byte, bool) {
	span, begin := t.manifest.PieceInSpan(p)
	buf = buf[:t.manifest.Piece(p).Length]
	return buf, t.read(span, int(begin), buf) == nil
}

// stack builds n layers on top of one.
func stack(layer []hash, n int) [][]hash {
	layers := [][]hash{layer}
	for range n {
		next := make([]hash, len(layer)/2)
		for i := range next {
			next[i] = join(layer[2*i], layer[2*i+1])
		}
		layer = next
		layers = append(layers, layer)
	}
	return layers
}

func join(a, b hash) hash {
	var pair [2 * sha256.Size]byte
	copy(pair[:sha256.Size], a[:])
	copy(pair[sha256.Size:], b[:])
	return sha256.Sum256(pair[:])
}

// zeros is the root of 2ⁿ leaves beyond the end of a file.
func zeros(n int) (h hash) {
	for range n {
		h = join(h, h)
	}
	return h
}
