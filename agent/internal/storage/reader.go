package storage

import (
	"github.com/rackswarm/rackswarm/core/artifact"
)

// Reader is content that spans can be read from. Its methods may be called
// from several goroutines at the same time.
type Reader interface {
	Manifest() *artifact.Manifest
	Have() artifact.Bitset // spans; the caller's own copy
	// ReadAt fills buf with bytes of a span from begin on. It wraps ErrChanged
	// if a file is not what it was when it was verified.
	ReadAt(span, begin int, buf []byte) error
}

// donor is a Reader that content is copied from. What it returns is verified,
// so it may be anything.
type donor struct {
	Reader
	mf     *artifact.Manifest
	have   artifact.Bitset
	same   bool             // its artifact is the wanted one: each file is itself
	byRoot map[[32]byte]int // its files
	byPath map[string]int   // of several pieces
}

// cloner is a Reader whose files can be opened, so that the filesystem may
// share their extents.
type cloner interface {
	openFile(i int) (rawFile, error)
}

// newDonor finds those of r's files that may hold pieces of mf's.
func newDonor(r Reader, mf *artifact.Manifest) *donor {
	d := &donor{Reader: r, mf: r.Manifest(), have: r.Have(), byRoot: map[[32]byte]int{}, byPath: map[string]int{}}
	if d.same = d.mf.Digest() == mf.Digest(); d.same {
		return d
	}
	roots, large := map[[32]byte]bool{}, map[string]bool{}
	for _, f := range mf.Files() {
		roots[f.Root] = true
		if f.Pieces > 1 {
			large[f.Path] = true
		}
	}
	for i, f := range d.mf.Files() {
		if f.Length > 0 && roots[f.Root] {
			d.byRoot[f.Root] = i
		}
		if f.Pieces > 1 && large[f.Path] {
			d.byPath[f.Path] = i
		}
	}
	return d
}

// twin is the donor's file with the same content as the wanted file f, number i.
func (d *donor) twin(i int, f artifact.File) (int, bool) {
	if d.same {
		return i, true
	}
	i, ok := d.byRoot[f.Root]
	return i, ok
}

// candidates are the donor's files that may hold a piece of the wanted file f,
// number i: its twin and, as a large file may have changed only in parts, the one
// of the same name.
func (d *donor) candidates(i int, f artifact.File) []int {
	var list []int
	same, ok := d.twin(i, f)
	if ok {
		list = append(list, same)
	}
	if named, has := d.byPath[f.Path]; has && f.Pieces > 1 && (!ok || named != same) {
		list = append(list, named)
	}
	return list
}

// readFile fills buf from the donor's file i at off, and reports false if it
// does not have all of that.
func (d *donor) readFile(i int, off int64, buf []byte) bool {
	f := d.mf.Files()[i]
	if off+int64(len(buf)) > f.Length {
		return false
	}
	for len(buf) > 0 {
		span := d.mf.SpanOfPiece(int(f.FirstPiece) + int(off/d.mf.PieceLength()))
		s := d.mf.Span(span)
		begin := int(f.Offset + off - s.Offset)
		n := min(len(buf), int(s.Length)-begin)
		if !d.have.Has(span) || d.ReadAt(span, begin, buf[:n]) != nil {
			return false
		}
		buf, off = buf[n:], off+int64(n)
	}
	return true
}

// localReader is content on this disk that may not be what its manifest says.
type localReader struct {
	content *content
	have    artifact.Bitset
}

func (l localReader) Manifest() *artifact.Manifest { return l.content.mf }
func (l localReader) Have() artifact.Bitset        { return l.have.Clone() }

func (l localReader) ReadAt(span, begin int, buf []byte) error {
	if err := checkRange(l.content.mf, span, begin, len(buf)); err != nil {
		return err
	}
	return l.content.readSpan(span, begin, buf)
}

func (l localReader) openFile(i int) (rawFile, error) { return l.content.openFile(i) }
