package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/rackswarm/rackswarm/acceptance/filler"
)

// content is a file or a tree that moves.
type content struct {
	path  string
	tree  bool
	files int
	bytes int64
	// torrent is made when a BitTorrent client needs it first.
	torrent func() (*torrent, error)
}

// makeTree makes files of one size in directories of hundred.
func makeTree(dir string, files int, size int64, seed uint64) error {
	const perDirectory = 100
	directories := (files + perDirectory - 1) / perDirectory
	return filler.Parallel(directories, func(d int) error {
		sub := filepath.Join(dir, fmt.Sprintf("d%04d", d))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		buf := make([]byte, size)
		for i := d * perDirectory; i < min((d+1)*perDirectory, files); i++ {
			filler.Fill(buf, seed, uint64(i))
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%06d", i)), buf, 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}

// newTree describes a directory.
func newTree(path string) (*content, error) {
	c := &content{path: path, tree: true}
	err := filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			c.files++
			c.bytes += info.Size()
		}
		return err
	})
	return c, err
}

// newFile describes a file.
func newFile(path string) (*content, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return &content{path: path, files: 1, bytes: info.Size(),
		torrent: sync.OnceValues(func() (*torrent, error) { return makeTorrent(path) })}, nil
}

// compare returns an error if what is at path is not the content.
func (c *content) compare(path string) error {
	if !c.tree {
		return sameFile(c.path, path)
	}
	return sameTree(c.path, path)
}

func sameFile(a, b string) error {
	x, err := os.Open(a)
	if err != nil {
		return err
	}
	defer x.Close()
	y, err := os.Open(b)
	if err != nil {
		return err
	}
	defer y.Close()
	size, err := sameSize(x, y)
	if err != nil {
		return err
	}
	return filler.Parallel(int((size+filler.Chunk-1)/filler.Chunk), func(i int) error {
		from, length := int64(i)*filler.Chunk, min(filler.Chunk, size-int64(i)*filler.Chunk)
		return sameSection(io.NewSectionReader(x, from, length), io.NewSectionReader(y, from, length))
	})
}

func sameSize(x, y *os.File) (int64, error) {
	a, err := x.Stat()
	if err != nil {
		return 0, err
	}
	b, err := y.Stat()
	if err != nil {
		return 0, err
	}
	if a.Size() != b.Size() {
		return 0, fmt.Errorf("%s has %d bytes, not %d", y.Name(), b.Size(), a.Size())
	}
	return a.Size(), nil
}

func sameSection(x, y io.Reader) error {
	a, err := io.ReadAll(x)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(y)
	if err == nil && !bytes.Equal(a, b) {
		err = errors.New("other bytes")
	}
	return err
}

// sameTree compares names, types, permissions, link targets and bytes.
func sameTree(a, b string) error {
	want, err := list(a)
	if err != nil {
		return err
	}
	got, err := list(b)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d entries, not %d", len(got), len(want))
	}
	return filler.Parallel(len(want), func(i int) error {
		if got[i] != want[i] {
			return fmt.Errorf("%v, not %v", got[i], want[i])
		}
		if !want[i].mode.IsRegular() {
			return nil
		}
		return sameSmallFile(filepath.Join(a, want[i].path), filepath.Join(b, want[i].path))
	})
}

func sameSmallFile(a, b string) error {
	x, err := os.ReadFile(a)
	if err != nil {
		return err
	}
	y, err := os.ReadFile(b)
	if err == nil && !bytes.Equal(x, y) {
		err = fmt.Errorf("%s has other bytes", b)
	}
	return err
}

// entry is what a tree has below its top.
type entry struct {
	path   string
	mode   fs.FileMode
	target string // of a symbolic link
}

func list(dir string) ([]entry, error) {
	var all []entry
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		item := entry{path: rel, mode: info.Mode()}
		if item.mode.Type() == fs.ModeSymlink {
			item.target, err = os.Readlink(path)
		}
		all = append(all, item)
		return err
	})
	return all, err
}
