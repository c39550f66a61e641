package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
)

// fingerprint tells whether a file or directory tree was changed, from the
// names, kinds, modes, sizes and modification times in it; contents are not
// read. The source itself may be a symbolic link, and where it lies does not
// count. A fingerprint that differs means that the content may differ.
func fingerprint(ctx context.Context, source string) (string, error) {
	top, err := filepath.EvalSymlinks(source)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	err = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return addEntry(sum, name, path, info)
	})
	if err != nil {
		return "", err
	}
	return "stat:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// addEntry adds what is known of one entry. Of directories, whose times and
// sizes tell of the names in them, those names stand for them.
func addEntry(sum hash.Hash, name, path string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsDir():
		fmt.Fprintf(sum, "%q %v\n", name, mode)
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %v %q\n", name, mode, target)
	default:
		fmt.Fprintf(sum, "%q %v %d %d\n", name, mode, info.Size(), info.ModTime().UnixNano())
	}
	return nil
}
