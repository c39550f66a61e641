package storage

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// writer writes to the files of a content, one after the other. Files that
// follow one another mostly lie in one directory, which is found once for all
// of them. The zero value with a content is ready; it must be closed.
type writer struct {
	c    *content
	path string   // of dir below the content's root
	dir  *os.Root // nil until the first file
}

func (w *writer) close() {
	if w.dir != nil {
		w.dir.Close()
		w.dir = nil
	}
}

// write writes data to file i at off, creating the file with its full length.
func (w *writer) write(i int, off int64, data []byte) error {
	c := w.c
	if c.files[i].Pieces == 1 { // written once: not worth a place in the cache
		f, err := w.open(i, os.O_TRUNC)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(data, off)
		return errors.Join(err, f.Close())
	}
	h, err := c.fds.acquire(fdKey{c.id, i, true}, func() (*os.File, error) { return w.create(i) })
	if err != nil {
		return err
	}
	defer c.fds.release(h)
	_, err = h.f.WriteAt(data, off)
	return err
}

// create opens file i for reading and writing, with its full length. What is not
// written yet is a hole.
func (w *writer) create(i int) (*os.File, error) {
	f, err := w.open(i, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if length := w.c.files[i].Length; err == nil && info.Size() != length {
		err = f.Truncate(length)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// open creates file i, unless it is there. It has its mode as far as the umask
// lets it: nobody else gets into the staging directory.
func (w *writer) open(i int, flags int) (*os.File, error) {
	name := w.c.path(i)
	if err := w.enter(path.Dir(name)); err != nil {
		return nil, err
	}
	perm := os.FileMode(w.c.files[i].Mode&0o777) | 0o600
	return w.dir.OpenFile(path.Base(name), os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK|flags, perm)
}

// enter opens a directory, which it creates, unless it is open.
func (w *writer) enter(dir string) (err error) {
	if w.dir != nil && w.path == dir {
		return nil
	}
	w.close()
	w.path = dir
	w.dir, err = w.c.root.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) && w.c.name == "" {
		if err = w.c.root.MkdirAll(dir, 0o700); err == nil {
			w.dir, err = w.c.root.OpenRoot(dir)
		}
	}
	return err
}
