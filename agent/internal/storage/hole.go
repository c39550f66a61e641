package storage

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// Zeros are not written: what is not written is a hole, which takes no space and
// no time. A piece of zeros is known by its hash, so that it is here from the
// start; shorter runs are found in the data.

var zeros [artifact.MinHole]byte

// writeSparse is writeAt that leaves a hole where the data has a run of zeros, of
// MinHole bytes at a multiple of that. The file has its full length already, and
// may hold something else there.
func (f rawFile) writeSparse(data []byte, off int64) error {
	start := 0 // of what is to be written
	for at := 0; at < len(data); {
		n := min(int(artifact.MinHole-(off+int64(at))%artifact.MinHole), len(data)-at)
		if n < artifact.MinHole || data[at] != 0 || !bytes.Equal(data[at:at+n], zeros[:]) {
			at += n
			continue
		}
		end := at + n
		for len(data)-end >= artifact.MinHole && bytes.Equal(data[end:end+artifact.MinHole], zeros[:]) {
			end += artifact.MinHole
		}
		err := f.writeAt(data[start:at], off+int64(start))
		if err == nil {
			err = f.punch(off+int64(at), int64(end-at))
		}
		if err != nil {
			return err
		}
		start, at = end, end
	}
	return f.writeAt(data[start:], off+int64(start))
}

// fill makes data the content of an empty file.
func (f rawFile) fill(data []byte) error {
	if len(data) < artifact.MinHole {
		return f.writeAt(data, 0)
	}
	if err := f.truncate(int64(len(data))); err != nil {
		return err
	}
	return f.writeSparse(data, 0)
}

// punch makes a range of a file zeros, without space if the filesystem can.
func (f rawFile) punch(off, length int64) error {
	err := ignoringEINTR(func() error {
		return unix.Fallocate(int(f), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, length)
	})
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	for length > 0 {
		n := min(length, int64(len(zeros)))
		if err := f.writeAt(zeros[:n], off); err != nil {
			return err
		}
		off, length = off+n, length-n
	}
	return nil
}

// isHole reports whether the filesystem knows that a range is zeros.
func (f rawFile) isHole(off, length int64) bool {
	data, err := unix.Seek(int(f), off, unix.SEEK_DATA)
	return err == nil && data >= off+length || errors.Is(err, unix.ENXIO)
}

// writeZeros makes a piece that is all zeros a hole of its file.
func (c *content) writeZeros(p part) error {
	h, err := c.fds.acquire(fdKey{c.id, p.file, true}, func() (rawFile, error) { return c.createWhole(p.file) })
	if err != nil {
		return err
	}
	defer c.fds.release(h)
	return c.named("punch a hole in", p.file, h.f.punch(p.off, int64(p.hi-p.lo)))
}

// zeroAlready reports whether a piece is zeros and should be, without reading.
func (c *content) zeroAlready(piece int) bool {
	if !c.zeros().Has(piece) {
		return false
	}
	pc := c.mf.Piece(piece)
	h, err := c.fds.acquire(fdKey{c.id, int(pc.File), false}, func() (rawFile, error) { return c.openLong(int(pc.File)) })
	if err != nil {
		return false
	}
	defer c.fds.release(h)
	return h.f.isHole(pc.Offset, pc.Length)
}

// dataLength is how many bytes of file i are not in pieces of zeros.
func (c *content) dataLength(i int) int64 {
	f := c.files[i]
	n := f.Length
	end := int(f.FirstPiece + f.Pieces)
	zeros := c.zeros()
	for p := int(f.FirstPiece); p < end; p++ {
		if zeros.Has(p) {
			n -= c.mf.Piece(p).Length
		}
	}
	return n
}
