package artifact

import (
	"errors"
	"fmt"
	"slices"
	"sort"
)

// Piece is what one hash covers: a part of one file.
type Piece struct {
	File   int32 // index into Files
	Offset int64 // in the file
	Length int64 // bytes, 1 to the piece length
}

// Span is the unit of ownership, requests and HAVE between our own peers.
type Span struct {
	FirstPiece, Pieces int32
	Offset             int64 // in the stream of all files
	Length             int32 // bytes, 1 to the piece length
}

// layOut gives every file its place, and cuts the stream into spans.
func (m *Manifest) layOut() error {
	pieces := int64(0)
	for i := range m.files {
		f := &m.files[i]
		n := (f.Length + m.pieceLength - 1) / m.pieceLength
		if f.Length > maxSize-m.size {
			return errors.New("the files have more than 2⁶² bytes")
		}
		if n > MaxPieces-pieces {
			return fmt.Errorf("more than %d pieces; choose longer ones", MaxPieces)
		}
		f.FirstPiece, f.Pieces, f.Offset = int32(pieces), int32(n), m.size
		m.size += f.Length
		pieces += n
	}
	m.pieces = int32(pieces)
	m.cutSpans()
	return nil
}

func (m *Manifest) cutSpans() {
	room := int64(0)
	for _, f := range m.files {
		for i := range f.Pieces {
			length := min(m.pieceLength, f.Length-int64(i)*m.pieceLength)
			if length > room {
				m.spanPiece = append(m.spanPiece, f.FirstPiece+i)
				m.spanLength = append(m.spanLength, 0)
				room = m.pieceLength
			}
			m.spanLength[len(m.spanLength)-1] += int32(length)
			room -= length
		}
	}
	m.spanPiece, m.spanLength = slices.Clip(m.spanPiece), slices.Clip(m.spanLength)
}

// NumPieces is the number of pieces of all files.
func (m *Manifest) NumPieces() int { return int(m.pieces) }

// NumSpans is the number of spans; an artifact without content has none.
func (m *Manifest) NumSpans() int { return len(m.spanPiece) }

// Piece returns piece i, which must be in 0..NumPieces()-1.
func (m *Manifest) Piece(i int) Piece {
	f := m.fileOfPiece(i)
	offset := (int64(i) - int64(m.files[f].FirstPiece)) * m.pieceLength
	return Piece{File: int32(f), Offset: offset, Length: min(m.pieceLength, m.files[f].Length-offset)}
}

// fileOfPiece is the last file that starts at piece i or before: empty files
// before it start there too.
func (m *Manifest) fileOfPiece(i int) int {
	if i < 0 || i >= int(m.pieces) {
		panic(fmt.Sprintf("artifact: piece %d of %d", i, m.pieces))
	}
	return sort.Search(len(m.files), func(f int) bool { return int(m.files[f].FirstPiece) > i }) - 1
}

// Span returns span i, which must be in 0..NumSpans()-1.
func (m *Manifest) Span(i int) Span {
	first, end := m.spanPiece[i], m.pieces
	if i+1 < len(m.spanPiece) {
		end = m.spanPiece[i+1]
	}
	p := m.Piece(int(first))
	return Span{
		FirstPiece: first, Pieces: end - first,
		Offset: m.files[p.File].Offset + p.Offset, Length: m.spanLength[i],
	}
}

// SpanOfPiece returns the span that piece p, in 0..NumPieces()-1, belongs to.
func (m *Manifest) SpanOfPiece(p int) int {
	return sort.Search(len(m.spanPiece), func(s int) bool { return int(m.spanPiece[s]) > p }) - 1
}

// SpansOfFile returns the first and the last span that hold something of file
// f, an index into Files. An empty file has none: ok is false.
func (m *Manifest) SpansOfFile(f int) (first, last int, ok bool) {
	file := m.files[f]
	if file.Pieces == 0 {
		return 0, 0, false
	}
	return m.SpanOfPiece(int(file.FirstPiece)), m.SpanOfPiece(int(file.FirstPiece + file.Pieces - 1)), true
}

// SpanLengths are the bytes of each span. The caller must not change them.
func (m *Manifest) SpanLengths() []int32 { return m.spanLength }

// VerifyPiece reports whether data is the content of piece i, which must be in
// 0..NumPieces()-1.
func (m *Manifest) VerifyPiece(i int, data []byte) bool {
	p := m.Piece(i)
	if int64(len(data)) != p.Length {
		return false
	}
	return PieceHash(data, m.pieceLength, m.files[p.File].Pieces == 1) == m.pieceHash(i)
}

// pieceHash is what the manifest says of piece i.
func (m *Manifest) pieceHash(i int) (sum hash) {
	f := &m.files[m.fileOfPiece(i)]
	if f.Pieces == 1 {
		return f.Root
	}
	copy(sum[:], m.layers[m.layerOf(f)].hashes[(i-int(f.FirstPiece))*len(sum):])
	return sum
}

// Layer returns the hashes of the pieces of file i, an index into Files: one each,
// none for an empty file.
func (m *Manifest) Layer(i int) [][32]byte {
	f := &m.files[i]
	if f.Pieces < 2 {
		return slices.Repeat([]hash{f.Root}, int(f.Pieces))
	}
	hashes := m.layers[m.layerOf(f)].hashes
	out := make([]hash, f.Pieces)
	for k := range out {
		copy(out[k][:], hashes[k*len(out[k]):])
	}
	return out
}

// layerOf finds the layer of a file of several pieces, or returns -1.
func (m *Manifest) layerOf(f *File) int {
	i, ok := sort.Find(len(m.layers), func(i int) int { return compareRoot(f.Root, m.layers[i].root) })
	if !ok {
		return -1
	}
	return i
}
