package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// purge makes staged content of unknown origin safe to write to: it leaves
// only directories of the manifest and regular files that can be the
// manifest's. A file with a second name somewhere is not ours to write to.
func (c *content) purge(ctx context.Context) error {
	want := c.entries()
	keep := func(rel string, info fs.FileInfo) bool {
		e, known := want[rel]
		if !known || e.kind != info.Mode().Type() || e.kind == fs.ModeSymlink {
			return false
		}
		return info.IsDir() || onlyName(info) && info.Size() == c.files[e.file].Length
	}
	if c.name != "" {
		return nil
	}
	return walk(ctx, c.root, func(parent *os.Root, rel string, info fs.FileInfo) error {
		if keep(rel, info) {
			return nil
		}
		return errors.Join(removeAll(ctx, parent, path.Base(rel)), skipDir(info))
	})
}

func skipDir(info fs.FileInfo) error {
	if info.IsDir() {
		return errSkip
	}
	return nil
}

var errNoExchange = errors.New("the filesystem cannot exchange two names in one step")

// probeExchange finds out before a transfer, not after it, whether the
// filesystem can swap the new content with the old.
func probeExchange(dir *os.Root) error {
	names := [2]string{"probe-a", "probe-b"}
	for _, name := range names {
		if err := dir.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	err := rename(dir, names[0], dir, names[1], unix.RENAME_EXCHANGE)
	for _, name := range names {
		if err := dir.Remove(name); err != nil {
			return err
		}
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("%w: %s", errNoExchange, strings.TrimSuffix(dir.Name(), "/"))
	}
	return err
}
