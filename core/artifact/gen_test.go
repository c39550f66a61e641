package artifact

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// tree is what a generated manifest was built of.
type tree struct {
	name        string
	kind        Kind
	pieceLength int64
	files       map[string]File // Path, Length, Root, Mode only
	dirs        map[string]uint32
	links       map[string]string
}

// nameGen gives few names, so that they meet, and odd ones among them: not
// UTF-8, like an escaped one, around the slash in byte order.
var nameGen = rapid.SampledFrom([]string{
	"a", "b", "a!", "a-", "a0", "ab", "é", "...", "%FF", "\xff", "x\xfe%FF", "%FF~", "\x01", strings.Repeat("n", 255),
})

func drawTree(t *rapid.T) tree {
	g := tree{
		name: nameGen.Draw(t, "name"), kind: KindTree,
		pieceLength: LeafSize << rapid.IntRange(0, 3).Draw(t, "piece length"),
		files:       map[string]File{}, dirs: map[string]uint32{"": drawMode(t)}, links: map[string]string{},
	}
	if rapid.IntRange(0, 5).Draw(t, "single") == 0 {
		g.kind, g.dirs = KindFile, nil
		g.files[g.name] = drawFile(t, g.name, g.pieceLength)
		return g
	}
	for range rapid.IntRange(0, 25).Draw(t, "entries") {
		path := strings.Join(rapid.SliceOfN(nameGen, 1, 4).Draw(t, "path"), "/")
		if g.taken(path) || !g.addParents(t, parent(path)) {
			continue
		}
		switch rapid.IntRange(0, 4).Draw(t, "type") {
		case 0:
			g.dirs[path] = drawMode(t)
		case 1:
			g.links[path] = rapid.StringMatching(`[^\x00]{1,20}`).Draw(t, "target")
		default:
			g.files[path] = drawFile(t, path, g.pieceLength)
		}
	}
	return g
}

func (g *tree) taken(path string) bool {
	_, file := g.files[path]
	_, dir := g.dirs[path]
	_, link := g.links[path]
	return file || dir || link
}

// addParents adds a directory and all above it, unless one is no directory.
func (g *tree) addParents(t *rapid.T, path string) bool {
	if _, ok := g.dirs[path]; ok {
		return true
	}
	if g.taken(path) || !g.addParents(t, parent(path)) {
		return false
	}
	g.dirs[path] = drawMode(t)
	return true
}

func drawMode(t *rapid.T) uint32 { return rapid.Uint32Range(0, 0o7777).Draw(t, "mode") }

// drawFile draws lengths around the borders of pieces and spans.
func drawFile(t *rapid.T, path string, pieceLength int64) File {
	length := rapid.OneOf(
		rapid.Just(int64(0)), rapid.Int64Range(1, pieceLength),
		rapid.Int64Range(1, 6*pieceLength),
		rapid.Map(rapid.Int64Range(1, 4), func(n int64) int64 { return n * pieceLength }),
	).Draw(t, "length")
	f := File{Path: path, Length: length, Mode: drawMode(t)}
	if layer := layerOf(f, pieceLength); len(layer) > 0 {
		f.Root = LayerRoot(layer, pieceLength)
	}
	return f
}

// layerOf makes hashes up, the same for files of the same length, so that some
// files share a root.
func layerOf(f File, pieceLength int64) [][32]byte {
	layer := make([][32]byte, (f.Length+pieceLength-1)/pieceLength)
	for i := range layer {
		layer[i] = sha256.Sum256(fmt.Append(nil, f.Length, i))
	}
	return layer
}

// build feeds the builder in the random order of the maps.
func (g *tree) build() (*Manifest, error) {
	b := NewBuilder(g.name, g.kind, g.pieceLength)
	for path, mode := range g.dirs {
		b.AddDir(path, mode)
	}
	for _, f := range g.files {
		b.AddFile(f.Path, f.Mode, f.Length, layerOf(f, g.pieceLength))
	}
	for path, target := range g.links {
		b.AddLink(path, target)
	}
	return b.Build()
}

func (g *tree) mustBuild(t rapid.TB) *Manifest {
	m, err := g.build()
	if err != nil {
		t.Fatalf("build %+v: %v", g, err)
	}
	return m
}

// sampleTree has every feature, for tests that need one manifest.
func sampleTree() tree {
	const pieceLength = LeafSize
	g := tree{
		name: "sample", kind: KindTree, pieceLength: pieceLength,
		files: map[string]File{}, dirs: map[string]uint32{"": 0o755, "bin": 0o2775, "empty": 0o700, "l\xff": 0o755},
		links: map[string]string{"bin/sh": "/bin/dash", "dangling": "\xff../x"},
	}
	for i, path := range []string{"bin/a", "bin/tool", "copy", "l\xff/\xfe", "zero"} {
		f := File{Path: path, Length: []int64{3 * pieceLength, 100, 3 * pieceLength, pieceLength + 1, 0}[i], Mode: 0o4755}
		if layer := layerOf(f, pieceLength); len(layer) > 0 {
			f.Root = LayerRoot(layer, pieceLength)
		}
		g.files[path] = f
	}
	return g
}
