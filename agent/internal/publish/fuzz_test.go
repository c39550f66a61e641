package publish

import (
	"archive/tar"
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

// FuzzExtract: whatever a client streams, nothing appears beside the directory
// that is filled, and nothing in it but files, directories and links.
func FuzzExtract(f *testing.F) {
	for _, seed := range [][]tar.Header{
		{directory("a"), file("a/b"), symlink("a/c", "b"), hardlink("a/d", "a/b")},
		{symlink("out", "../.."), file("out/x")},
		{file("../x")}, {file("/x")}, {file("a"), file("a")}, {file("a"), file("a/b")}, {hardlink("x", "../../etc/passwd")},
		{{Typeflag: tar.TypeFifo, Name: "fifo"}, {Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}},
	} {
		f.Add(archive(f, seed...))
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0}, 1024))
	f.Fuzz(func(t *testing.T, stream []byte) {
		dir := t.TempDir()
		dest := openRoot(t, dir)
		e := extractor{ctx: context.Background(), meter: pack.NewMeter("receiving", 0, nil), buf: make([]byte, 4096)}
		_ = e.into(dest, "top", artifact.KindTree, bytes.NewReader(stream)) // refused or not
		entries, err := os.ReadDir(dir)
		must(t, err)
		for _, entry := range entries {
			if entry.Name() != "top" {
				t.Fatalf("%s appeared", entry.Name())
			}
		}
		must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type()&^(fs.ModeDir|fs.ModeSymlink) != 0 {
				t.Fatalf("%s has type %v", path, d.Type())
			}
			return nil // directories may have any mode
		}))
	})
}
