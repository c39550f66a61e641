package artifact

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"pgregory.net/rapid"
)

type dict = map[string]any

// leaf is a file in a file tree.
func leaf(length int, root string) dict {
	props := dict{"length": length}
	if root != "" {
		props["pieces root"] = root
	}
	return dict{"": props}
}

var oneRoot = strings.Repeat("r", 32)

// document returns a manifest, as the reference encoder takes it, of a tree with
// the one-piece file "f".
func document() (doc, info, extension dict) {
	extension = dict{"kind": "tree", "modes": "\x01\xa4", "dirs": []any{""}, "dir modes": "\x01\xed"}
	info = dict{
		"file tree": dict{"f": leaf(1, oneRoot)}, "meta version": 2, "name": "n",
		"piece length": LeafSize, "private": 1, "rackswarm": extension,
	}
	return dict{"info": info, "piece layers": dict{}}, info, extension
}

func TestParseAcceptsReferenceEncoding(t *testing.T) {
	doc, _, _ := document()
	doc["announce"], doc["zz"] = "ignored", []any{dict{"a": 1}, "b"}
	m, err := Parse(bencode.MustMarshal(doc))
	if err != nil {
		t.Fatal(err)
	}
	if m.NumPieces() != 1 || m.Files()[0].Path != "f" || m.Files()[0].Mode != 0o644 || m.Dirs()[0].Mode != 0o755 {
		t.Fatalf("%+v", m)
	}
}

func TestParseRefuses(t *testing.T) {
	layer := string(bytes.Repeat([]byte{7}, 64))
	for _, c := range []struct {
		want   string
		change func(doc, info, extension dict)
	}{
		{"no info", func(doc, _, _ dict) { delete(doc, "info") }},
		{"not a BitTorrent v2", func(_, info, _ dict) { info["meta version"] = 1 }},
		{"private flag", func(_, info, _ dict) { delete(info, "private") }},
		{"no file tree", func(_, info, _ dict) { delete(info, "file tree") }},
		{"piece length 16383", func(_, info, _ dict) { info["piece length"] = 16383 }},
		{"unknown key \"pieces\" in info", func(_, info, _ dict) { info["pieces"] = "" }},
		{"unknown key \"holes\" in info.rackswarm", func(_, _, extension dict) { extension["holes"] = "" }},
		{"kind \"\"", func(_, _, extension dict) { extension["kind"] = "" }},
		{"files' modes", func(_, _, extension dict) { extension["modes"] = "" }},
		{"files' modes", func(_, _, extension dict) { extension["modes"] = "123" }},
		{"directories' modes", func(_, _, extension dict) { extension["dir modes"] = "1234" }},
		{"mode 0170000", func(_, _, extension dict) { extension["modes"] = "\xf0\x00" }},
		{"mode 0170000", func(_, _, extension dict) { extension["dir modes"] = "\xf0\x00" }},
		{"negative", func(_, info, _ dict) { info["file tree"] = dict{"f": leaf(-1, oneRoot)} }},
		{"2⁶²", func(_, info, extension dict) {
			info["file tree"], info["piece length"] = dict{"f": leaf(1<<62+1, oneRoot)}, MaxPieceLength
		}},
		{"pieces", func(_, info, _ dict) { info["file tree"] = dict{"f": leaf(1<<62, oneRoot)} }},
		{"root of 32 bytes", func(_, info, _ dict) { info["file tree"] = dict{"f": leaf(1, "r")} }},
		{"root of 32 bytes", func(_, info, _ dict) { info["file tree"] = dict{"f": leaf(1, "")} }},
		{"root of 32 bytes", func(_, info, _ dict) { info["file tree"] = dict{"f": leaf(0, oneRoot)} }},
		{"nothing below it", func(_, info, _ dict) {
			info["file tree"] = dict{"f": dict{"": dict{"length": 0}, "g": leaf(1, oneRoot)}}
		}},
		{"root of 32 bytes", func(_, info, _ dict) { info["file tree"] = leaf(1, oneRoot) }},
		{"unknown property", func(_, info, _ dict) {
			info["file tree"] = dict{"f": dict{"": dict{"length": 0, "attr": "x"}}}
		}},
		{"empty directory in the file tree", func(_, info, _ dict) { info["file tree"] = dict{"f": dict{}} }},
		{"name \"..\"", func(_, info, _ dict) { info["file tree"] = dict{"..": leaf(1, oneRoot)} }},
		{"slash", func(_, info, _ dict) { info["file tree"] = dict{"a/b": leaf(1, oneRoot)} }},
		{"not UTF-8", func(_, info, _ dict) { info["file tree"] = dict{"\xff": leaf(1, oneRoot)} }},
		{"not UTF-8", func(_, info, _ dict) { info["name"] = "\xff" }},
		{"raw name \"f\"", func(_, _, extension dict) { extension["raw names"] = dict{"e": "f"} }},
		{"raw name is there twice", func(_, _, extension dict) {
			extension["raw names"] = dict{"e": "\xff", "f": "\xff"}
		}},
		{"slash", func(_, _, extension dict) { extension["raw names"] = dict{"f": "../\xff"} }},
		{"is a directory or link too", func(_, _, extension dict) { extension["links"] = []any{"f", "x"} }},
		{"out of order", func(_, _, extension dict) { extension["links"] = []any{"h", "x", "g", "x"} }},
		{"not a number", func(_, _, extension dict) { extension["links"] = []any{"h"} }},
		{"out of order", func(_, _, extension dict) {
			extension["dirs"], extension["dir modes"] = []any{"", "b", "a"}, "\x00\x00\x00\x00\x00\x00"
		}},
		{"top directory is not listed", func(_, _, extension dict) { extension["dirs"] = []any{"f"} }},
		{"must have one file", func(_, _, extension dict) { extension["kind"] = "file" }},
		{"no piece layer of 2 hashes", func(_, info, _ dict) { info["file tree"] = dict{"f": leaf(LeafSize+1, oneRoot)} }},
		{"does not give the file's root", func(doc, info, _ dict) {
			info["file tree"], doc["piece layers"] = dict{"f": leaf(LeafSize+1, oneRoot)}, dict{oneRoot: layer}
		}},
		{"belongs to no file", func(doc, _, _ dict) { doc["piece layers"] = dict{oneRoot: layer} }},
		{"not made of hashes", func(doc, _, _ dict) { doc["piece layers"] = dict{oneRoot: layer[:63]} }},
		{"not made of hashes", func(doc, _, _ dict) { doc["piece layers"] = dict{"x": layer} }},
		{"come together", func(doc, _, _ dict) { doc["rackswarm signature"] = layer }},
		{"expected 32", func(doc, _, _ dict) { doc["rackswarm publisher"] = layer }},
	} {
		doc, info, extension := document()
		c.change(doc, info, extension)
		refuse(t, bencode.MustMarshal(doc), c.want)
	}
}

func refuse(t *testing.T, torrent []byte, want string) {
	t.Helper()
	if _, err := Parse(torrent); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("parse %.300q: error %v, want %q", torrent, err, want)
	}
}

func TestParseRefusesEncoding(t *testing.T) {
	doc, _, _ := document()
	good := string(bencode.MustMarshal(doc))
	if _, err := Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		if _, err := Parse([]byte(good[:i])); err == nil {
			t.Errorf("the first %d bytes are accepted", i)
		}
	}
	refuse(t, []byte(good+"x"), "bytes follow the end")
	for from, to := range map[string]string{
		"6:lengthi1e":     "6:lengthi01e",
		"4:name":          "04:name",
		"7:privatei1e":    "7:privatei-1e",
		"12:meta version": "99999999999999999999:meta version",
		"1:n":             "9223372036854775807:n",
		"i16384e":         "i99999999999999999999e",
		"4:infod":         "4:infod1:a0:1:a0:",
		"4:kind4:tree":    "4:kind4:tree4:kind4:tree",
	} {
		changed := strings.Replace(good, from, to, 1)
		if changed == good {
			t.Fatalf("%q is not in %q", from, good)
		}
		if _, err := Parse([]byte(changed)); err == nil {
			t.Errorf("%q instead of %q is accepted", to, from)
		}
	}
}

// TestAnyFlippedByteIsRefused changes every byte of a signed manifest.
func TestAnyFlippedByteIsRefused(t *testing.T) {
	g := sampleTree()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := Sign(g.mustBuild(t), private)
	good := m.Encode()
	trusted := []ed25519.PublicKey{public}
	for i := range good {
		for _, bit := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= bit
			got, err := Parse(bad)
			if err == nil && got.Verify(trusted) == nil {
				t.Errorf("byte %d of %d changed by %#x is accepted: %q", i, len(good), bit, bad[max(0, i-20):i+1])
			}
		}
	}
}

// TestHostileManifests are as small as an attacker can make what is most work
// or most memory.
func TestHostileManifests(t *testing.T) {
	doc, _, _ := document()
	good := string(bencode.MustMarshal(doc))
	const at = "9:file treed"
	before, after, _ := strings.Cut(good, at)
	nested := func(n int, open, end string) []byte {
		return []byte(before + at + strings.Repeat(open, n) + strings.Repeat(end, n) + after)
	}
	refuse(t, bytes.Repeat([]byte{'d'}, 1<<20), "")
	refuse(t, append([]byte("d"), bytes.Repeat([]byte{'l'}, 1<<20)...), "")
	refuse(t, []byte("d1:a"+strings.Repeat("l", 8<<20)), "not a number")
	refuse(t, nested(4<<20, "1:ad", "e"), "longer than 4096 bytes")
	refuse(t, make([]byte, MaxManifestSize+1), "at most")
	refuse(t, hostilePieces(), "pieces")
	refuse(t, hostilePaths(), "bytes of paths")
}

// hostilePieces refers to one long layer from many files.
func hostilePieces() []byte {
	const pieces, files = 1 << 16, 300
	doc, info, extension := document()
	tree := dict{}
	for i := range files {
		tree[fmt.Sprint(i)] = leaf(pieces*LeafSize, oneRoot)
	}
	info["file tree"], extension["modes"] = tree, strings.Repeat("\x01\xa4", files)
	doc["piece layers"] = dict{oneRoot: strings.Repeat("h", pieces*32)}
	return bencode.MustMarshal(doc)
}

// hostilePaths has many files with short names at the end of one long path.
func hostilePaths() []byte {
	const files = 70_000
	inner := dict{}
	for i := range files {
		inner[fmt.Sprintf("%x", i)] = leaf(0, "")
	}
	doc, info, extension := document()
	raw, err := bencode.Marshal(inner)
	if err != nil {
		panic(err)
	}
	const depth = 16
	name := strings.Repeat("d", 250)
	open := strings.Repeat(fmt.Sprintf("d%d:%s", len(name), name), depth)
	info["file tree"] = bencode.Bytes(open + string(raw) + strings.Repeat("e", depth))
	extension["modes"] = strings.Repeat("\x01\xa4", files)
	return bencode.MustMarshal(doc)
}

// TestNestedDirectories shows that real depth is no problem.
func TestNestedDirectories(t *testing.T) {
	b := NewBuilder("deep", KindTree, LeafSize)
	b.AddDir("", 0o755)
	path := "d"
	for len(path)+4 <= maxPath {
		b.AddDir(path, 0o755)
		path += "/d"
	}
	b.AddFile(path, 0o644, 0, nil)
	m, err := b.Build()
	if err != nil || m.Files()[0].Path != path {
		t.Fatalf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	g := sampleTree()
	f.Add(g.mustBuild(f).Encode())
	doc, _, extension := document()
	f.Add(bencode.MustMarshal(doc))
	extension["raw names"] = dict{"f": "\xff"}
	f.Add(bencode.MustMarshal(doc))
	f.Fuzz(func(t *testing.T, torrent []byte) {
		m, err := Parse(torrent)
		if err != nil {
			return
		}
		again, err := Parse(m.Encode())
		if err != nil || again.Digest() != m.Digest() || !bytes.Equal(again.Encode(), m.Encode()) {
			t.Fatalf("encoded it is another: %v", err)
		}
		for i := range m.NumSpans() {
			m.Span(i)
		}
		rebuild(t, m)
	})
}

// rebuild checks that what a manifest says is enough to build it again. Its
// digest may differ, as the names that stand for those that are not UTF-8 may.
func rebuild(t *testing.T, m *Manifest) {
	b := NewBuilder(m.Name(), m.Kind(), m.PieceLength())
	for _, d := range m.Dirs() {
		b.AddDir(d.Path, d.Mode)
	}
	for _, l := range m.Links() {
		b.AddLink(l.Path, l.Target)
	}
	for i := range m.Files() {
		f := &m.Files()[i]
		layer := [][32]byte{f.Root}[:min(f.Pieces, 1)]
		if f.Pieces > 1 {
			layer = layerHashes(m, f)
		}
		b.AddFile(f.Path, f.Mode, f.Length, layer)
	}
	again, err := b.Build()
	if err != nil {
		t.Fatalf("what was parsed cannot be built: %v", err)
	}
	if !maps.Equal(roots(m), roots(again)) {
		t.Fatal("built again, files differ")
	}
}

func layerHashes(m *Manifest, f *File) [][32]byte {
	var out [][32]byte
	for s := m.layers[m.layerOf(f)].hashes; s != ""; s = s[32:] {
		out = append(out, [32]byte([]byte(s[:32])))
	}
	return out
}

func roots(m *Manifest) map[string][32]byte {
	out := map[string][32]byte{}
	for _, f := range m.Files() {
		out[f.Path] = f.Root
	}
	return out
}

func TestComparePathsIsComparisonOfElements(t *testing.T) {
	path := rapid.Map(rapid.SliceOfN(nameGen, 1, 4), func(e []string) string { return strings.Join(e, "/") })
	rapid.Check(t, func(t *rapid.T) {
		a, b := path.Draw(t, "a"), path.Draw(t, "b")
		want := 0
		x, y := strings.Split(a, "/"), strings.Split(b, "/")
		for i := 0; want == 0 && i < max(len(x), len(y)); i++ {
			switch {
			case i >= len(x):
				want = -1
			case i >= len(y):
				want = 1
			default:
				want = strings.Compare(x[i], y[i])
			}
		}
		if got := comparePaths(a, b); got < 0 != (want < 0) || got > 0 != (want > 0) {
			t.Fatalf("%q, %q: %d, want the sign of %d", a, b, got, want)
		}
	})
}
