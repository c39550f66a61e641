package storage

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// write writes data to file i at off, creating the file with its full length.
func (c *content) write(i int, off int64, data []byte) error {
	if c.files[i].Pieces == 1 { // written once: not worth a place in the cache
		f, err := c.createFile(i, unix.O_TRUNC)
		if err != nil {
			return err
		}
		if err := errors.Join(f.fill(data), f.close()); err != nil {
			return c.named("write", i, err)
		}
		c.wrote(i, 0, int64(len(data)))
		return nil
	}
	h, err := c.fds.acquire(fdKey{c.id, i, true}, func() (rawFile, error) { return c.createWhole(i) })
	if err != nil {
		return err
	}
	defer c.fds.release(h)
	if err := h.f.writeSparse(data, off); err != nil {
		return c.named("write", i, err)
	}
	c.wrote(i, off, int64(len(data)))
	return nil
}

func (c *content) named(op string, i int, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: c.path(i), Err: err}
}

// createWhole opens file i for reading and writing, with its full length. What
// is not written yet is a hole.
func (c *content) createWhole(i int) (rawFile, error) {
	f, err := c.createFile(i, 0)
	if err != nil {
		return -1, err
	}
	st, err := f.stat()
	if length := c.files[i].Length; err == nil && st.Size != length {
		err = f.truncate(length)
	}
	if err != nil {
		f.close()
		return -1, c.named("lengthen", i, err)
	}
	return f, nil
}

// createFile creates file i, and its directory, unless it is there. It has its
// mode as far as the umask lets it, and the directory the usual one: nobody else
// gets into the staging directory.
func (c *content) createFile(i int, flags int) (rawFile, error) {
	name := c.path(i)
	flags |= os.O_RDWR | os.O_CREATE
	perm := c.files[i].Mode&0o777 | 0o600
	f, err := c.open.open(c.root, name, flags, perm)
	if !errors.Is(err, fs.ErrNotExist) || c.name != "" {
		return f, err
	}
	if err := c.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return -1, err
	}
	return c.open.open(c.root, name, flags, perm)
}
