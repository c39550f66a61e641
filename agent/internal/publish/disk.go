package publish

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/pagecache"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

// ahead is how far the disk reads ahead of a worker, in blocks.
const ahead = 4

// hashed is a file whose pages come into the cache while it is hashed. What is
// hashed last stays there, for those who will ask for it.
type hashed struct {
	src  *pack.Source
	file int
}

// Use implements pagecache.File.
func (f hashed) Use(fn func(fd int) error) {
	if file, err := f.src.Open(f.file); err == nil {
		defer file.Close()
		_ = fn(int(file.Fd())) // nothing was written
	}
}

// read fills buf from file i, which is open as fd.
func (h *hasher) read(i, fd int, buf []byte, offset int64) error {
	size := h.src.Files[i].Stamp.Size
	brought, err := pagecache.ReadAt(fd, buf, offset, min(size, offset+ahead*h.block))
	if len(brought) > 0 {
		h.trail.Read(hashed{h.src, i}, brought...)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return pack.Changed(h.src.Full(h.src.Files[i].Path))
	}
	return h.src.ReadError(i, err)
}

// isHole reports whether the filesystem knows that a range is zeros.
func isHole(fd int, offset, length int64) bool {
	data, err := unix.Seek(fd, offset, unix.SEEK_DATA)
	return err == nil && data >= offset+length || errors.Is(err, unix.ENXIO)
}

// maxHoles is how many bytes of holes a file has at most if it gets a checksum that
// nobody asks for: zeros take as long as data there, seconds for this many.
const maxHoles = 4 << 30

// summed reports whether the plain SHA-256 of the content is computed.
func (h *hasher) summed() bool {
	if h.src.Tree || h.o.Checksum {
		return !h.src.Tree
	}
	f, err := h.src.Open(0)
	if err != nil {
		return true // next says what is wrong
	}
	defer f.Close()
	return holes(f) <= maxHoles
}

func holes(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size() - info.Sys().(*syscall.Stat_t).Blocks*512
}
