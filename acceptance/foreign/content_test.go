package foreign

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// shapes are what is moved: each makes content in a directory and returns its path.
var shapes = []struct {
	name string
	make func(t *testing.T, dir string) string
}{
	{"file", makeFile},
	{"tree", makeTree},
}

func makeFile(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "image.bin")
	random(t, file, 5<<20+777)
	return file
}

// makeTree makes files of many pieces and files that share a span: pieces that are
// shorter than a request, and that begin anywhere in their span.
func makeTree(t *testing.T, dir string) string {
	t.Helper()
	top := filepath.Join(dir, "tree")
	for i, size := range []int{2 << 20, 700_001, 65536, 16384, 16385, 1} {
		random(t, filepath.Join(top, "large", fmt.Sprint("file-", i)), size)
	}
	for i := range 90 {
		random(t, filepath.Join(top, "small", fmt.Sprint(i%7), fmt.Sprint("file ", i)), 100+i*337)
	}
	random(t, filepath.Join(top, "umläut", "z"), 20_000)
	random(t, filepath.Join(top, "empty-file"), 0)
	if err := os.Symlink("large/file-1", filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	return top
}

// random writes a file whose bytes follow from its name.
func random(t *testing.T, file string, size int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	rand.NewChaCha8(sha256.Sum256([]byte(filepath.Base(file)))).Read(data)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// files reads what is at or below a path.
func files(t *testing.T, top string) map[string][]byte {
	t.Helper()
	found, err := read(top)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// read reads every regular file at or below a path that has content, by its path
// from there.
func read(top string) (map[string][]byte, error) {
	found := map[string][]byte{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if len(data) > 0 {
			found[strings.TrimPrefix(path, top)] = data
		}
		return err
	})
	return found, err
}

// awaitSame waits until all files are there with the same bytes. What BitTorrent
// does not carry does not count. A client that is done may still be renaming.
func awaitSame(t *testing.T, want map[string][]byte, top string) {
	t.Helper()
	fleet.Eventually(t, patience, top+" is complete", func() error {
		got, err := read(top)
		for path, data := range want {
			if err == nil && !bytes.Equal(got[path], data) {
				err = fmt.Errorf("%s has %d bytes, which are not the %d wanted", path, len(got[path]), len(data))
			}
		}
		if err == nil && len(got) != len(want) {
			err = fmt.Errorf("%d files with content, want %d", len(got), len(want))
		}
		return err
	})
}

// size is how many bytes files have together.
func size(files map[string][]byte) (n int64) {
	for _, data := range files {
		n += int64(len(data))
	}
	return n
}

// empty takes the content of every file at or below a path away.
func empty(t *testing.T, top string) {
	t.Helper()
	for path := range files(t, top) {
		if err := os.Truncate(top+path, 0); err != nil {
			t.Fatal(err)
		}
	}
}
