// Package content makes what is distributed in the lab, and checks what came of
// it.
package content

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/rackswarm/rackswarm/acceptance/filler"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Content is a file, or a directory with a tree of files, as it was made.
type Content struct {
	Path string // where it was made
	Tree bool
	Size unit.Bytes
	// files by their paths in the tree; a file alone has the path ".".
	files map[string]file
}

type file struct {
	size unit.Bytes
	sum  [sha256.Size]byte
}

// perDirectory is how many files a directory of a tree has.
const perDirectory = 100

// Write makes an artifact at path, which must not exist: a file, or a directory
// with the tree if there are several files. The bytes are the same for the same
// artifact on every machine.
func Write(path string, a scenario.Artifact) (Content, error) {
	c := Content{Path: path, Tree: a.Files > 1, files: map[string]file{}}
	sizes := a.Sizes()
	made := make([]file, len(sizes))
	err := filler.Parallel(len(sizes), func(i int) error {
		name := filepath.Join(path, c.name(i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		var err error
		made[i], err = write(name, sizes[i], a.Seed, uint64(i)<<32)
		return err
	})
	if err != nil {
		return Content{}, fmt.Errorf("make the content: %w", err)
	}
	for i, f := range made {
		c.files[c.name(i)] = f
		c.Size += f.size
	}
	return c, nil
}

// name is the path of the i-th file in the content.
func (c Content) name(i int) string {
	if !c.Tree {
		return "."
	}
	return fmt.Sprintf("d%04d/f%06d", i/perDirectory, i)
}

// write makes a file whose chunks are numbered from first.
func write(path string, size unit.Bytes, seed, first uint64) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return file{}, err
	}
	defer f.Close()
	h := sha256.New()
	out := io.MultiWriter(f, h)
	buf := make([]byte, min(filler.Chunk, size))
	for n := first; size > 0; n++ {
		buf = buf[:min(unit.Bytes(len(buf)), size)]
		filler.Fill(buf, seed, n)
		if _, err := out.Write(buf); err != nil {
			return file{}, err
		}
		size -= unit.Bytes(len(buf))
	}
	info, err := f.Stat()
	if err != nil {
		return file{}, err
	}
	made := file{size: unit.Bytes(info.Size())}
	h.Sum(made.sum[:0])
	return made, f.Close()
}

// Verify compares what is at path with what was made: the same files, no more and
// no fewer, with the same SHA-256 each. The error names what differs.
func (c Content) Verify(path string) error {
	found, err := list(path)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if _, ok := c.files[name]; !ok {
			wrong = append(wrong, fmt.Errorf("%s is too much", filepath.Join(path, name)))
		}
	}
	names := slices.Sorted(maps.Keys(c.files))
	differ := make([]error, len(names))
	err = filler.Parallel(len(names), func(i int) error {
		differ[i] = c.files[names[i]].verify(filepath.Join(path, names[i]))
		return nil
	})
	if err = errors.Join(append(wrong, append(differ, err)...)...); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

func (f file) verify(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file", path)
	case unit.Bytes(info.Size()) != f.size:
		return fmt.Errorf("%s has %d bytes, not %d", path, info.Size(), f.size)
	}
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return err
	}
	if !bytes.Equal(h.Sum(nil), f.sum[:]) {
		return fmt.Errorf("%s has another SHA-256 than what was sent", path)
	}
	return nil
}

// list is everything at path that is no directory, by its path from there.
func list(path string) (map[string]bool, error) {
	all := map[string]bool{}
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(path, name)
		all[rel] = true
		return err
	})
	return all, err
}
