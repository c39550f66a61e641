package artifact

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/anacrolix/torrent/metainfo"
	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawTree(t)
		m := g.mustBuild(t)
		g.check(t, m)
		again, err := Parse(m.Encode())
		if err != nil {
			t.Fatalf("parse what was encoded: %v", err)
		}
		if !reflect.DeepEqual(m, again) {
			t.Fatalf("parsed again it is\n%+v, not\n%+v", again, m)
		}
		if other := g.mustBuild(t); other.Digest() != m.Digest() {
			t.Fatalf("the same tree has the digests %s and %s", m.Digest(), other.Digest())
		}
	})
}

// check compares the manifest with what it was built of.
func (g *tree) check(t rapid.TB, m *Manifest) {
	if m.Name() != g.name || m.Kind() != g.kind || m.PieceLength() != g.pieceLength {
		t.Fatalf("name %q, kind %s, piece length %d: want %+v", m.Name(), m.Kind(), m.PieceLength(), g)
	}
	if len(m.Files()) != len(g.files) {
		t.Fatalf("%d files, want %d", len(m.Files()), len(g.files))
	}
	for _, f := range m.Files() {
		if want := g.files[f.Path]; f.Length != want.Length || f.Root != want.Root || f.Mode != want.Mode {
			t.Fatalf("file %+v, want %+v", f, want)
		}
	}
	dirs, links := map[string]uint32{}, map[string]string{}
	for _, d := range m.Dirs() {
		dirs[d.Path] = d.Mode
	}
	for _, l := range m.Links() {
		links[l.Path] = l.Target
	}
	if fmt.Sprint(dirs, links) != fmt.Sprint(g.dirs, g.links) {
		t.Fatalf("directories and links %v %v, want %v %v", dirs, links, g.dirs, g.links)
	}
	ordered := slices.IsSortedFunc(m.Dirs(), func(x, y Dir) int { return comparePaths(x.Path, y.Path) })
	if len(dirs) != len(m.Dirs()) || !ordered {
		t.Fatalf("directories are not in order: %v", m.Dirs())
	}
}

// TestValidTorrent lets another implementation of BEP 52 read the manifests.
func TestValidTorrent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawTree(t)
		m := g.mustBuild(t)
		mi, err := metainfo.Load(bytes.NewReader(m.Encode()))
		if err != nil {
			t.Fatalf("metainfo: %v", err)
		}
		info, err := mi.UnmarshalInfo()
		if err != nil || !info.HasV2() || info.HasV1() || info.Private == nil || !*info.Private {
			t.Fatalf("info %+v: %v", info, err)
		}
		if sha256.Sum256(mi.InfoBytes) != m.Digest() {
			t.Fatal("the digest is not the SHA-256 of the info dictionary")
		}
		if err := info.FileTree.Validate(); err != nil {
			t.Fatalf("file tree: %v", err)
		}
		if err := metainfo.ValidatePieceLayers(mi.PieceLayers, &info.FileTree, info.PieceLength); err != nil {
			t.Fatalf("piece layers: %v", err)
		}
		if len(g.files) > 0 {
			checkOrder(t, m, &info)
		}
	})
}

// checkOrder compares the files' order, lengths and roots with the oracle's.
func checkOrder(t *rapid.T, m *Manifest, info *metainfo.Info) {
	for i, theirs := range info.UpvertedFiles() {
		ours := m.Files()[i]
		path := strings.Join(theirs.Path, "/")
		if utf8.ValidString(ours.Path) && path != ours.Path {
			t.Fatalf("file %d is %q, not %q", i, ours.Path, path)
		}
		if theirs.Length != ours.Length || theirs.PiecesRoot.Ok && theirs.PiecesRoot.Value != ours.Root {
			t.Fatalf("file %q: %+v, want %+v", path, ours, theirs)
		}
	}
	if info.NumPieces() != m.NumPieces() {
		t.Fatalf("%d pieces, want %d", m.NumPieces(), info.NumPieces())
	}
}

func TestFileOrderIsThatOfElements(t *testing.T) {
	b := NewBuilder("t", KindTree, LeafSize)
	b.AddDir("", 0o755)
	b.AddDir("a", 0o755)
	for _, path := range []string{"b", "a0", "a/z", "a-b", "B"} {
		b.AddFile(path, 0o644, 0, nil)
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range m.Files() {
		got = append(got, f.Path)
	}
	if want := []string{"B", "a/z", "a-b", "a0", "b"}; !slices.Equal(got, want) {
		t.Fatalf("order %q, want %q", got, want)
	}
}

func TestBuildRefuses(t *testing.T) {
	layer := [][32]byte{{1}}
	long := strings.Repeat("x", 256)
	for _, c := range []struct {
		want string
		add  func(b *Builder)
	}{
		{`directory "d" is not listed`, func(b *Builder) { b.AddFile("d/f", 0, 1, layer) }},
		{`directory "d" is not listed`, func(b *Builder) { b.AddLink("d/l", "x") }},
		{`directory "d/e" is not listed`, func(b *Builder) { b.AddDir("d", 0); b.AddDir("d/e/f", 0) }},
		{`file "f" is there twice`, func(b *Builder) { b.AddFile("f", 0, 1, layer); b.AddFile("f", 0, 0, nil) }},
		{`file "f" is there twice, or has another below it`, func(b *Builder) { b.AddFile("f", 0, 1, layer); b.AddFile("f/g", 0, 0, nil) }},
		{`file "f" is a directory or link too`, func(b *Builder) { b.AddFile("f", 0, 1, layer); b.AddDir("f", 0) }},
		{`file "f" is a directory or link too`, func(b *Builder) { b.AddFile("f", 0, 1, layer); b.AddLink("f", "x") }},
		{`directory "f" is not listed`, func(b *Builder) { b.AddFile("f", 0, 1, layer); b.AddLink("f/l", "x") }},
		{`link "l" is a directory too`, func(b *Builder) { b.AddDir("l", 0); b.AddLink("l", "x") }},
		{`directory "l" is not listed`, func(b *Builder) { b.AddLink("l", "x"); b.AddFile("l/f", 0, 0, nil) }},
		{`link "l" is listed twice`, func(b *Builder) { b.AddLink("l", "x"); b.AddLink("l", "y") }},
		{`directory "d" is listed twice`, func(b *Builder) { b.AddDir("d", 1); b.AddDir("d", 2) }},
		{`name ".." is not allowed`, func(b *Builder) { b.AddFile("../f", 0, 0, nil) }},
		{`name "." is not allowed`, func(b *Builder) { b.AddDir(".", 0) }},
		{`a name is empty`, func(b *Builder) { b.AddFile("/etc/passwd", 0, 0, nil) }},
		{`a name is empty`, func(b *Builder) { b.AddLink("a//b", "x") }},
		{`a name is empty`, func(b *Builder) { b.AddFile("", 0, 0, nil) }},
		{`has a slash or a NUL`, func(b *Builder) { b.AddFile("a\x00b", 0, 0, nil) }},
		{`256 bytes; at most 255`, func(b *Builder) { b.AddFile(long, 0, 0, nil) }},
		{`4097 bytes; at most 4096`, func(b *Builder) { b.AddDir(strings.Repeat("x/", 2048)+"x", 0) }},
		{`mode 010000`, func(b *Builder) { b.AddFile("f", 0o10000, 0, nil) }},
		{`mode 010000`, func(b *Builder) { b.AddDir("d", 0o10000) }},
		{`length -1`, func(b *Builder) { b.AddFile("f", 0, -1, nil) }},
		{`1 piece hashes; its 16385 bytes have 2 pieces`, func(b *Builder) { b.AddFile("f", 0, LeafSize+1, layer) }},
		{`0 piece hashes; its 1 bytes have 1 pieces`, func(b *Builder) { b.AddFile("f", 0, 1, nil) }},
		{`link target ""`, func(b *Builder) { b.AddLink("l", "") }},
		{`none of them NUL`, func(b *Builder) { b.AddLink("l", "a\x00") }},
		{`1 to 4095 bytes`, func(b *Builder) { b.AddLink("l", strings.Repeat("x", 4096)) }},
	} {
		b := NewBuilder("t", KindTree, LeafSize)
		b.AddDir("", 0o755)
		c.add(b)
		if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func TestBuildRefusesShape(t *testing.T) {
	for _, c := range []struct {
		want        string
		name        string
		kind        Kind
		pieceLength int64
		paths       []string
	}{
		{"the top directory is not listed", "t", KindTree, LeafSize, nil},
		{`must have one file, named "t"`, "t", KindFile, LeafSize, nil},
		{`must have one file, named "t"`, "t", KindFile, LeafSize, []string{"u"}},
		{`must have one file, named "t"`, "t", KindFile, LeafSize, []string{"t", "u"}},
		{"a name is empty", "", KindTree, LeafSize, nil},
		{`name ".."`, "..", KindFile, LeafSize, nil},
		{"has a slash", "a/b", KindTree, LeafSize, nil},
		{"piece length 8192", "t", KindFile, 8192, []string{"t"}},
		{"piece length 16385", "t", KindFile, LeafSize + 1, []string{"t"}},
		{"piece length 33554432", "t", KindFile, 2 * MaxPieceLength, []string{"t"}},
		{"piece length 0", "t", KindFile, 0, []string{"t"}},
		{"piece length 0", "t", KindTree, 0, nil},
	} {
		b := NewBuilder(c.name, c.kind, c.pieceLength)
		for _, path := range c.paths {
			b.AddFile(path, 0o644, 0, nil)
		}
		if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}

// TestManifestIsLean measures what a manifest of 100,000 files keeps.
func TestManifestIsLean(t *testing.T) {
	torrent := manyFiles(t, 100_000).Encode()
	before := heap()
	m, err := Parse(torrent)
	if err != nil {
		t.Fatal(err)
	}
	used := heap() - before
	t.Logf("%d files in a manifest of %d bytes keep %d bytes", len(m.Files()), len(torrent), used)
	if used > 40<<20 {
		t.Errorf("100,000 files keep %d bytes; want at most 40 MiB", used)
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(torrent)
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func manyFiles(t testing.TB, n int) *Manifest {
	b := NewBuilder("many", KindTree, 256<<10)
	b.AddDir("", 0o755)
	for i := range n {
		dir := fmt.Sprintf("directory-%04d", i/100)
		if i%100 == 0 {
			b.AddDir(dir, 0o755)
		}
		path := fmt.Sprintf("%s/some-file-with-a-usual-name-%06d.go", dir, i)
		length := int64(1 + i*7919%300_000)
		b.AddFile(path, 0o644, length, layerOf(File{Length: length}, 256<<10))
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
