package pack

import (
	"context"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// File is a regular file of a source.
type File struct {
	Path  string // relative to the source; "" if the source is the file
	Mode  uint32 // 07777
	Stamp Stamp
}

// Dir is a directory of a source.
type Dir struct {
	Path  string // "" is the source itself
	Mode  uint32 // 07777
	Stamp Stamp  // from before its names were read
}

// Link is a symbolic link of a source.
type Link struct{ Path, Target string }

// Source is a file, or a directory with all that is in it, as Scan found it.
type Source struct {
	Path string // as it was given, absolute or not
	Tree bool   // a directory, not a file
	Size int64  // bytes of all files
	// Files, Dirs and Links are in the order in which a walk by name meets
	// them, so parents come before children. A file has neither Dirs nor Links.
	Files []File
	Dirs  []Dir
	Links []Link

	root *os.Root // the directory, or the one that the file is in
	base string   // the file's name in root
}

// Kind returns what a path is, "file" or "tree", following symbolic links.
func Kind(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", missing(path, err)
	case info.IsDir():
		return "tree", nil
	case info.Mode().IsRegular():
		return "file", nil
	}
	return "", special(path, info.Mode())
}

// Scan looks at everything at path without reading content. A path that is
// itself a symbolic link is followed; links below it are recorded as they are.
// The caller closes the source.
func Scan(ctx context.Context, path string) (*Source, error) {
	kind, err := Kind(path)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, missing(path, err)
	}
	s := &Source{Path: filepath.Clean(path), Tree: kind == "tree"}
	if s.Tree {
		err = s.scanTree(ctx, real)
	} else {
		err = s.scanFile(real)
	}
	if err == nil {
		err = s.settle(ctx)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// tick is longer than the coarsest step of the clock that filesystems stamp
// files with (10 ms at 100 Hz).
const tick = 20 * time.Millisecond

// settle waits until any further change of a file or directory is sure to give it another
// stamp: two changes within one step of the clock look alike.
func (s *Source) settle(ctx context.Context) error {
	newest := int64(math.MinInt64)
	for _, f := range s.Files {
		newest = max(newest, f.Stamp.Mtime)
	}
	for _, d := range s.Dirs {
		newest = max(newest, d.Stamp.Mtime)
	}
	wait := tick - time.Since(time.Unix(0, newest))
	if wait <= 0 {
		return nil
	}
	select {
	case <-time.After(min(wait, tick)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close releases the directory that the source is read through.
func (s *Source) Close() {
	if s.root != nil {
		s.root.Close()
	}
}

// Full returns the path of something in the source, as users know it.
func (s *Source) Full(rel string) string { return filepath.Join(s.Path, rel) }

func (s *Source) scanFile(real string) (err error) {
	if s.root, err = os.OpenRoot(filepath.Dir(real)); err != nil {
		return unreadable(s.Path, err)
	}
	s.base = filepath.Base(real)
	info, err := s.root.Lstat(s.base)
	if err != nil {
		return unreadable(s.Path, err)
	}
	if !info.Mode().IsRegular() {
		return Changed(s.Path)
	}
	s.addFile("", info)
	return nil
}

func (s *Source) scanTree(ctx context.Context, real string) (err error) {
	if s.root, err = os.OpenRoot(real); err != nil {
		return unreadable(s.Path, err)
	}
	info, err := s.root.Lstat(".")
	if err != nil {
		return unreadable(s.Path, err)
	}
	s.addDir("", info)
	return s.scanDir(ctx, s.root, "")
}

// scanDir adds what is in dir, whose path in the source is prefix. Names are
// looked up in the directory itself, so that depth costs no system calls.
func (s *Source) scanDir(ctx context.Context, dir *os.Root, prefix string) error {
	names, err := namesIn(dir)
	if err != nil {
		return unreadable(s.Full(prefix), err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := name
		if prefix != "" {
			path = prefix + "/" + name
		}
		info, err := dir.Lstat(name)
		if err != nil {
			return unreadable(s.Full(path), err)
		}
		if err := s.add(ctx, dir, path, info); err != nil {
			return err
		}
	}
	return nil
}

// add records one entry of dir, and what is below it.
func (s *Source) add(ctx context.Context, dir *os.Root, path string, info fs.FileInfo) error {
	switch {
	case info.Mode().IsRegular():
		s.addFile(path, info)
	case info.IsDir():
		s.addDir(path, info)
		sub, err := dir.OpenRoot(info.Name())
		if err != nil {
			return unreadable(s.Full(path), err)
		}
		defer sub.Close()
		return s.scanDir(ctx, sub, path)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := dir.Readlink(info.Name())
		if err != nil {
			return unreadable(s.Full(path), err)
		}
		s.Links = append(s.Links, Link{path, target})
	default:
		return special(s.Full(path), info.Mode())
	}
	return nil
}

func (s *Source) addFile(path string, info fs.FileInfo) {
	stamp, mode := stampOf(info)
	s.Files = append(s.Files, File{path, mode, stamp})
	s.Size += stamp.Size
}

func (s *Source) addDir(path string, info fs.FileInfo) {
	stamp, mode := stampOf(info)
	s.Dirs = append(s.Dirs, Dir{path, mode, stamp})
}

func namesIn(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.SortFunc(names, strings.Compare)
	return names, err
}
