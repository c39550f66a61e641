package content

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/filler"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

func TestTheSameArtifactTwice(t *testing.T) {
	for name, a := range map[string]scenario.Artifact{
		"file":  {Size: 3*filler.Chunk + 99, Seed: 8, Files: 1},
		"empty": {Size: 0, Seed: 8, Files: 1},
		"tree":  {Size: 5 * unit.MiB, Seed: 8, Files: 250},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := mustWrite(t, filepath.Join(dir, "a"), a)
			if c.Size != a.Size || c.Tree != (a.Files > 1) || len(c.files) != a.Files {
				t.Errorf("made %d bytes in %d files, tree %v", c.Size, len(c.files), c.Tree)
			}
			mustWrite(t, filepath.Join(dir, "b"), a)
			if err := c.Verify(filepath.Join(dir, "b")); err != nil {
				t.Error(err)
			}
			a.Seed++
			mustWrite(t, filepath.Join(dir, "c"), a)
			if err := c.Verify(filepath.Join(dir, "c")); (err == nil) != (a.Size == 0) {
				t.Errorf("another seed: %v", err)
			}
		})
	}
}

// A file is the bytes that the bench makes of the same seed.
func TestAFileIsThatOfItsSeed(t *testing.T) {
	dir := t.TempDir()
	c := mustWrite(t, filepath.Join(dir, "a"), scenario.Artifact{Size: 2*filler.Chunk + 5, Seed: 3, Files: 1})
	if err := filler.File(filepath.Join(dir, "b"), 2*filler.Chunk+5, 3); err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(filepath.Join(dir, "b")); err != nil {
		t.Error(err)
	}
}

func TestDifferencesOfATree(t *testing.T) {
	a := scenario.Artifact{Size: unit.MiB, Seed: 1, Files: 150}
	for want, change := range map[string]func(dir string) error{
		"another SHA-256": func(dir string) error { return flip(filepath.Join(dir, "d0000/f000007")) },
		"bytes, not":      func(dir string) error { return os.Truncate(filepath.Join(dir, "d0000/f000007"), 1) },
		"no such file":    func(dir string) error { return os.Remove(filepath.Join(dir, "d0001/f000149")) },
		"z is too much":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "z"), nil, 0o600) },
		"not a file": func(dir string) error {
			name := filepath.Join(dir, "d0000/f000000")
			if err := os.Remove(name); err != nil {
				return err
			}
			return os.Mkdir(name, 0o700)
		},
	} {
		dir := filepath.Join(t.TempDir(), "tree")
		c := mustWrite(t, dir, a)
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		if err := c.Verify(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestNothingReceived(t *testing.T) {
	dir := t.TempDir()
	c := mustWrite(t, filepath.Join(dir, "a"), scenario.Artifact{Size: 5, Seed: 1, Files: 1})
	if c.Verify(filepath.Join(dir, "b")) == nil {
		t.Error("a file that is not there passes")
	}
	if c.Verify(dir) == nil {
		t.Error("a directory passes for the file")
	}
}

func mustWrite(t *testing.T, path string, a scenario.Artifact) Content {
	t.Helper()
	c, err := Write(path, a)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func flip(path string) error {
	text, err := os.ReadFile(path)
	if err == nil {
		text[0] ^= 1
		err = os.WriteFile(path, text, 0o600)
	}
	return err
}
