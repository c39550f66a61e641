package main

import (
	"bytes"
	"crypto/sha1"
	"os"
	"path/filepath"
	"testing"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/rackswarm/rackswarm/acceptance/filler"
)

func TestFileIsTheSameForTheSameSeed(t *testing.T) {
	dir := t.TempDir()
	size := int64(2*filler.Chunk + 12345)
	for name, seed := range map[string]uint64{"a": 1, "b": 1, "c": 2} {
		if err := filler.File(filepath.Join(dir, name), size, seed); err != nil {
			t.Fatal(err)
		}
	}
	c, err := newFile(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if c.bytes != size || c.files != 1 {
		t.Errorf("the content has %d bytes in %d files", c.bytes, c.files)
	}
	if err := c.compare(filepath.Join(dir, "b")); err != nil {
		t.Errorf("the same seed: %v", err)
	}
	if c.compare(filepath.Join(dir, "c")) == nil {
		t.Error("another seed made the same file")
	}
}

func TestDifferencesOfAFile(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	text := bytes.Repeat([]byte("x"), 3*filler.Chunk+7)
	if err := os.WriteFile(from, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := newFile(from)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.Clone(text)
	last[len(last)-1] = 'y'
	for name, other := range map[string][]byte{"shorter": text[1:], "the last byte": last} {
		if err := os.WriteFile(to, other, 0o600); err != nil {
			t.Fatal(err)
		}
		if c.compare(to) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func TestDifferencesOfATree(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"nothing": func(string) error { return nil },
		"a byte": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "d0000/f000007"), []byte("12345678"), 0o644)
		},
		"a mode":       func(dir string) error { return os.Chmod(filepath.Join(dir, "d0000/f000007"), 0o600) },
		"a file less":  func(dir string) error { return os.Remove(filepath.Join(dir, "d0001/f000100")) },
		"a file more":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "z"), nil, 0o644) },
		"a link moved": func(dir string) error { return relink(filepath.Join(dir, "link"), "elsewhere") },
	} {
		dir := t.TempDir()
		from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
		for _, tree := range []string{from, to} {
			if err := makeTree(tree, 150, 8, 1); err != nil {
				t.Fatal(err)
			}
			if err := relink(filepath.Join(tree, "link"), "d0000"); err != nil {
				t.Fatal(err)
			}
		}
		c, err := newTree(from)
		if err != nil {
			t.Fatal(err)
		}
		if c.files != 150 || c.bytes != 150*8 {
			t.Fatalf("the tree has %d files of %d bytes", c.files, c.bytes)
		}
		if err := change(to); err != nil {
			t.Fatal(err)
		}
		if err := c.compare(to); (err != nil) != (name != "nothing") {
			t.Errorf("%s changed: %v", name, err)
		}
	}
}

func relink(path, target string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Symlink(target, path)
}

func TestTorrent(t *testing.T) {
	dir := t.TempDir()
	file, out := filepath.Join(dir, "content"), filepath.Join(dir, "t")
	text := bytes.Repeat([]byte("rackswarm"), 200_000) // one piece and a part
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := makeTorrent(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := made.write(out, "http://127.0.0.1:1/announce"); err != nil {
		t.Fatal(err)
	}
	meta, err := metainfo.LoadFromFile(out)
	if err != nil {
		t.Fatal(err)
	}
	info, err := meta.UnmarshalInfo()
	if err != nil {
		t.Fatal(err)
	}
	first, last := sha1.Sum(text[:pieceLength]), sha1.Sum(text[pieceLength:])
	if want := append(first[:], last[:]...); !bytes.Equal(info.Pieces, want) || info.Length != int64(len(text)) || info.Name != "content" {
		t.Errorf("the torrent says %+v", info)
	}
	if meta.Announce != "http://127.0.0.1:1/announce" {
		t.Errorf("the tracker is %q", meta.Announce)
	}
}
