package storage

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/pagecache"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// content is an artifact's files where they stand: a tree's below root, a file
// artifact as one name in root. It owns root and its files in the cache.
type content struct {
	mf    *artifact.Manifest
	files []artifact.File // the manifest's
	root  *os.Root
	open  *opener // below root
	name  string  // of a file artifact in root; "" for a tree
	fds   *fdCache
	id    uint64 // owner in fds
	// zeros are the pieces without anything but zeros.
	zeros func() artifact.Bitset
	// stamps, if not nil, are what the files must look like when they are
	// read. Changed only under the owner's lock against readers.
	stamps []stamp
}

var contentIDs atomic.Uint64

func newContent(mf *artifact.Manifest, root *os.Root, name string, fds *fdCache) *content {
	return &content{mf: mf, files: mf.Files(), root: root, open: &opener{}, name: name, fds: fds, id: contentIDs.Add(1),
		zeros: sync.OnceValue(mf.ZeroPieces)}
}

// close closes the files that are not in use, and the root.
func (c *content) close() {
	if c == nil {
		return
	}
	c.uncache()
	c.fds.dropAll(c.id)
	c.open.close()
	c.root.Close()
}

// path is where file i is below root.
func (c *content) path(i int) string {
	if c.name != "" {
		return c.name
	}
	return c.files[i].Path
}

// changed is the error for a file that is not what it should be.
func (c *content) changed(i int) error {
	c.fds.drop(c.id, i)
	return &ChangedError{c.files[i].Path}
}

// keepOpen is the length from which on a file that is read or written stays open
// for the next time. For a shorter one opening costs less than the cache.
const keepOpen = 256 << 10

// read fills buf from file i at off. It returns a *ChangedError if the file is
// gone, too short, not a regular file or, where stamps are known, has another.
func (c *content) read(i int, off int64, buf []byte) error {
	if c.files[i].Length < keepOpen {
		f, err := c.openFile(i)
		if err != nil {
			return err
		}
		defer f.close()
		return c.readFrom(f, i, off, buf)
	}
	h, err := c.fds.acquire(fdKey{c.id, i, false}, func() (rawFile, error) { return c.openLong(i) })
	if err != nil {
		return err
	}
	defer c.fds.release(h)
	return c.readFrom(h.f, i, off, buf)
}

func (c *content) readFrom(f rawFile, i int, off int64, buf []byte) error {
	switch err := c.fetch(f, i, off, buf); {
	case errors.Is(err, io.EOF), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ESPIPE):
		return c.changed(i)
	case err != nil:
		return &fs.PathError{Op: "read", Path: c.path(i), Err: err}
	}
	if c.stamps == nil {
		return nil
	}
	// After the read: the stamp then covers what was read.
	if st, err := f.stat(); err != nil || rawStamp(&st) != c.stamps[i] {
		return c.changed(i)
	}
	return nil
}

// openFile opens file i for reading. A FIFO does not block it.
func (c *content) openFile(i int) (rawFile, error) {
	f, err := c.open.open(c.root, c.path(i), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ELOOP) {
		return -1, c.changed(i)
	}
	if err != nil || c.stamps != nil { // only a regular file has a stamp
		return f, err
	}
	if st, err := f.stat(); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, errors.Join(c.changed(i), f.close())
	}
	return f, nil
}

// openLong is openFile for a file that is read a piece at a time.
func (c *content) openLong(i int) (rawFile, error) {
	f, err := c.openFile(i)
	if err == nil && !c.open.inMemory.Load() {
		pagecache.NoReadahead(int(f))
	}
	return f, err
}

// part is a range of a span's bytes that lies in one piece.
type part struct {
	piece  int
	file   int
	off    int64 // in the file
	lo, hi int   // in the buffer that holds the range asked for
}

// eachPart calls fn for the parts of bytes begin to begin+n of a span, in
// order, until fn fails.
func eachPart(mf *artifact.Manifest, span, begin, n int, fn func(part) error) error {
	s := mf.Span(span)
	at := 0 // of the piece in the span
	for i := range int(s.Pieces) {
		piece := int(s.FirstPiece) + i
		pc := mf.Piece(piece)
		lo, hi := max(at, begin), min(at+int(pc.Length), begin+n)
		if lo < hi {
			err := fn(part{piece, int(pc.File), pc.Offset + int64(lo-at), lo - begin, hi - begin})
			if err != nil {
				return err
			}
		}
		at += int(pc.Length)
		if at >= begin+n {
			break
		}
	}
	return nil
}

// readSpan fills buf with the bytes of a span from begin on.
func (c *content) readSpan(span, begin int, buf []byte) error {
	return eachPart(c.mf, span, begin, len(buf), func(p part) error {
		return c.read(p.file, p.off, buf[p.lo:p.hi])
	})
}

// checkRange reports a range that is not in the artifact.
func checkRange(mf *artifact.Manifest, span, begin, n int) error {
	if span < 0 || span >= mf.NumSpans() || begin < 0 || n < 0 || begin+n > int(mf.Span(span).Length) {
		return errRange
	}
	return nil
}

var errRange = errors.New("the range is not in the artifact")
