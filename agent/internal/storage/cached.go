package storage

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/agent/internal/pagecache"
)

// inCache is a file whose pages came into the cache by us.
type inCache struct {
	open *opener
	root *os.Root
	path string // below root
}

func (c *content) inCache(i int) inCache { return inCache{c.open, c.root, c.path(i)} }

// trail is what came into the page cache by a manager's contents.
type trail = pagecache.Trail[inCache]

// Use implements pagecache.File.
func (f inCache) Use(fn func(fd int) error) {
	fd, err := f.open.open(f.root, f.path, unix.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer fd.close()
	if err := fn(int(fd)); errors.Is(err, unix.EIO) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		f.open.lost.CompareAndSwap(nil, &err)
	}
}

// fetch reads from a file, and notes what that brings into the cache. It reads
// ahead to the end of the piece: the rest of it is asked for next.
func (c *content) fetch(f rawFile, i int, off int64, buf []byte) error {
	if c.open.inMemory.Load() {
		return f.readAt(buf, off)
	}
	length := c.mf.PieceLength()
	end := max(off+int64(len(buf)), min((off/length+1)*length, c.files[i].Length))
	brought, err := pagecache.ReadAt(int(f), buf, off, end)
	if len(brought) > 0 && (err == nil || errors.Is(err, io.EOF)) {
		c.fds.trail.Read(c.inCache(i), brought...)
	}
	return err
}

// wrote has the disk take what was written to a file that is not small. Small ones
// go all at once, before they are installed.
func (c *content) wrote(i int, off, length int64) {
	if c.files[i].Length >= keepOpen && !c.open.inMemory.Load() {
		c.fds.trail.Wrote(c.inCache(i), pagecache.Range{Off: off, Len: length})
	}
}

// succeed takes over what is noted of the content while it was staged, now that
// it stands and the disk has it.
func (c *content) succeed(staged *content) {
	t := c.fds.trail
	t.Rename(func(f inCache) inCache {
		if f.open != staged.open {
			return f
		}
		path := f.path
		if c.name != "" {
			path = c.name
		}
		return inCache{c.open, c.root, path}
	})
	if staged.open.inMemory.Load() {
		return
	}
	for i, f := range c.files {
		if 0 < f.Length && f.Length < keepOpen {
			t.Read(c.inCache(i), pagecache.Range{Off: 0, Len: f.Length})
		}
	}
}

// uncache ends what is noted of the content.
func (c *content) uncache() {
	c.fds.trail.Forget(func(f inCache) bool { return f.open == c.open })
}

// distrust takes all files out of the cache, so that what the disk has is read.
func (c *content) distrust() {
	for i := range c.files {
		c.inCache(i).Use(func(fd int) error {
			pagecache.Drop(fd, pagecache.Range{})
			return nil
		})
	}
}

// flushed fails if some of what was written could not be brought to the disk.
func (c *content) flushed() error {
	if err := c.open.lost.Load(); err != nil {
		return *err
	}
	return nil
}
