package artifact

// LeafRange names the leaves of a piece in the Merkle tree of its file: Length of
// them, a power of two, from Index on. Those beyond the end of the file are zero.
type LeafRange struct {
	Root          [32]byte // of the file
	Index, Length int64
}

// LeafRange returns where the leaves of piece i are, which must be in
// 0..NumPieces()-1. Of a Length of 1 nothing has to be asked: the leaf is the
// piece's hash.
func (m *Manifest) LeafRange(i int) LeafRange {
	f := &m.files[m.fileOfPiece(i)]
	width := treeWidth(m.pieceLength, m.pieceLength, false)
	if f.Pieces == 1 {
		width = treeWidth(f.Length, m.pieceLength, true)
	}
	return LeafRange{Root: f.Root, Index: int64(i-int(f.FirstPiece)) * int64(width), Length: int64(width)}
}

// PiecesOf returns the pieces whose LeafRange is r, at most limit: files of the
// same content have the same tree. It looks at every file.
func (m *Manifest) PiecesOf(r LeafRange, limit int) []int {
	var pieces []int
	for k := range m.files {
		f := &m.files[k]
		if f.Pieces == 0 || f.Root != r.Root || len(pieces) == limit {
			continue
		}
		width := m.LeafRange(int(f.FirstPiece)).Length
		if n := r.Index / width; r.Length == width && r.Index%width == 0 && n >= 0 && n < int64(f.Pieces) {
			pieces = append(pieces, int(f.FirstPiece)+int(n))
		}
	}
	return pieces
}

// PieceInSpan returns where piece i begins in its span, in bytes.
func (m *Manifest) PieceInSpan(i int) (span int, begin int32) {
	span, p := m.SpanOfPiece(i), m.Piece(i)
	return span, int32(m.files[p.File].Offset + p.Offset - m.Span(span).Offset)
}

// LeafHashes are the hashes of the leaves that data fills, the last perhaps in
// part.
func LeafHashes(data []byte) [][32]byte {
	leaves := make([]hash, (len(data)+LeafSize-1)/LeafSize)
	hashLeaves(leaves, data)
	return leaves
}

// VerifyLeaves reports whether leaves are those of piece i, as many as its
// LeafRange has: whether they fold to the hash that the manifest has of it.
func (m *Manifest) VerifyLeaves(i int, leaves [][32]byte) bool {
	if int64(len(leaves)) != m.LeafRange(i).Length {
		return false
	}
	return root(append([]hash(nil), leaves...)) == m.pieceHash(i)
}

// WrongLeaves returns the indices of the leaves of a piece's data that are not
// what verified leaves say.
func WrongLeaves(data []byte, leaves [][32]byte) []int {
	var wrong []int
	for k, sum := range LeafHashes(data) {
		if k >= len(leaves) || sum != leaves[k] {
			wrong = append(wrong, k)
		}
	}
	return wrong
}
