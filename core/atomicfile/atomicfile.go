// Package atomicfile replaces small files so that a crash or a power failure at
// any moment leaves either the old or the new content, whole. Agents keep with
// it what has to survive a restart: records, manifests, the desired state.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// mode is for the agent's own state, which nobody else has to read.
const mode fs.FileMode = 0o600

// Write is WriteIn for the file at path, whose directory exists.
func Write(path string, data []byte) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(WriteIn(dir, filepath.Base(path), data), dir.Close())
}

// WriteIn makes data the content of the file name in dir, durably: it is on the
// disk when WriteIn returns. A failure leaves the file as it was. On the way it
// uses name.tmp, so that one file has one writer at a time.
func WriteIn(dir *os.Root, name string, data []byte) error {
	tmp := name + ".tmp"
	err := write(dir, tmp, data)
	if err == nil {
		err = dir.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, remove(dir, tmp))
	}
	return syncDir(dir)
}

func write(dir *os.Root, name string, data []byte) error {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func remove(dir *os.Root, name string) error {
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
