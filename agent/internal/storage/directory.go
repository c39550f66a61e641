package storage

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncDir makes the names in a directory durable.
func syncDir(dir *os.Root) error {
	return withDir(dir, ".", unix.Fsync)
}

// syncFilesystem makes everything on dir's filesystem durable: one call for a
// tree of any number of files.
func syncFilesystem(dir *os.Root) error {
	return withDir(dir, ".", unix.Syncfs)
}

// withDir calls fn with the open directory path below root.
func withDir(root *os.Root, path string, fn func(fd int) error) error {
	f, err := root.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	err = fn(int(f.Fd()))
	return errors.Join(err, f.Close())
}

// rename calls renameat2 for single names in two directories: neither is
// resolved again, so that nobody can redirect it.
func rename(from *os.Root, old string, to *os.Root, name string, flags uint) error {
	return withDir(from, ".", func(fromFD int) error {
		return withDir(to, ".", func(toFD int) error {
			if err := unix.Renameat2(fromFD, old, toFD, name, flags); err != nil {
				return &os.LinkError{Op: "rename", Old: old, New: name, Err: err}
			}
			return nil
		})
	})
}
