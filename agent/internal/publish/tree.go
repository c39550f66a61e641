package publish

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

// tree unpacks a tar stream below root.
type tree struct {
	*extractor
	root *os.Root
	// modes has the directories that were made here, with the modes that they
	// get in the end: until then they must be writable. Entries go only below
	// these, never below something that may be a link.
	modes map[string]uint32
}

func (t *tree) extract(r *pack.Reader) error {
	for {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return t.setModes()
		}
		if err != nil {
			return err
		}
		if err := t.add(e, r); err != nil {
			return explain(e, err)
		}
	}
}

// explain turns what the filesystem says of an entry that is there twice, or
// below something that is no directory, into an error of the stream.
func explain(e pack.Entry, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return &api.Error{
			Code: api.CodeInvalid, Subject: e.Path, Message: "is in the tar stream twice, or below something that is no directory",
			Fix: "send every path once",
		}
	}
	return err
}

func (t *tree) add(e pack.Entry, r io.Reader) error {
	if e.Type == pack.TypeDir {
		if err := t.makeDirs(e.Path); err != nil {
			return err
		}
		t.modes[e.Path] = e.Mode
		return nil
	}
	if err := t.makeDirs(parent(e.Path)); err != nil {
		return err
	}
	switch e.Type {
	case pack.TypeSymlink:
		return t.root.Symlink(e.Target, e.Path)
	case pack.TypeHardlink:
		return t.copyOf(e)
	}
	return t.file(t.root, e.Path, e.Mode, r)
}

// makeDirs makes a directory and all above it that are not there yet.
func (t *tree) makeDirs(path string) error {
	if _, ok := t.modes[path]; ok {
		return nil
	}
	if err := t.makeDirs(parent(path)); err != nil {
		return err
	}
	if err := t.root.Mkdir(path, 0o700); err != nil {
		return err
	}
	t.modes[path] = 0o755
	return nil
}

// copyOf makes a copy of a file that came before, in place of a hard link.
func (t *tree) copyOf(e pack.Entry) error {
	bad := &api.Error{
		Code: api.CodeInvalid, Subject: e.Path, Message: fmt.Sprintf("is a hard link to %q, which is no file before it", e.Target),
		Fix: "send the file before its links",
	}
	if _, ok := t.modes[parent(e.Target)]; !ok {
		return bad
	}
	info, err := t.root.Lstat(e.Target)
	if err != nil || !info.Mode().IsRegular() {
		return bad
	}
	f, err := t.root.Open(e.Target)
	if err != nil {
		return err
	}
	defer f.Close()
	return t.file(t.root, e.Path, pack.Bits(info.Mode()), f)
}

// setModes gives the directories their modes, children before parents.
func (t *tree) setModes() error {
	for _, path := range slices.Backward(slices.Sorted(maps.Keys(t.modes))) {
		name := path
		if name == "" {
			name = "."
		}
		if err := t.root.Chmod(name, pack.FileMode(t.modes[path])); err != nil {
			return err
		}
	}
	return nil
}

// parent returns the directory that a path is in, "" for the top.
func parent(path string) string {
	return path[:max(strings.LastIndexByte(path, '/'), 0)]
}
