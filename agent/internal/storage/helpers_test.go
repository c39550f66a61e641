package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

const testPieceLength = 16 << 10

// sample is content to build an artifact of.
type sample struct {
	kind  artifact.Kind
	files map[string][]byte
	links map[string]string
	dirs  []string // besides those that the files lie in
}

// blob returns n bytes that the seed determines.
func blob(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	r.Read(b)
	return b
}

// site is a tree with files of all sizes, links and empty things.
func site(version uint64) sample {
	files := map[string][]byte{
		"big.db":       blob(1, 5*testPieceLength+777),
		"VERSION":      fmt.Appendf(nil, "v%d\n", version),
		"empty":        {},
		"bin/tool":     blob(2, testPieceLength),
		"lib/a/new.so": blob(100+version, 3*testPieceLength),
	}
	for i := range 40 {
		files[fmt.Sprintf("lib/b/f%02d", i)] = blob(uint64(200+i), 100+i*97)
	}
	return sample{artifact.KindTree, files, map[string]string{"current": "lib/a", "abs": "/nowhere/at/all"}, []string{"spool/in"}}
}

func (s sample) manifest(t testing.TB) *artifact.Manifest {
	t.Helper()
	return s.manifestOf(t, testPieceLength)
}

func (s sample) manifestOf(t testing.TB, pieceLength int64) *artifact.Manifest {
	t.Helper()
	b := artifact.NewBuilder("sample", s.kind, pieceLength)
	dirs := map[string]bool{}
	addDirs := func(d string) {
		for ; s.kind == artifact.KindTree && d != "."; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	for name, data := range s.files {
		var layer [][32]byte
		for piece := range slices.Chunk(data, int(pieceLength)) {
			layer = append(layer, artifact.PieceHash(piece, pieceLength, int64(len(data)) <= pieceLength))
		}
		mode := uint32(0o644)
		if path.Dir(name) == "bin" {
			mode = 0o4755
		}
		b.AddFile(name, mode, int64(len(data)), layer)
		addDirs(path.Dir(name))
	}
	for name, target := range s.links {
		b.AddLink(name, target)
		addDirs(path.Dir(name))
	}
	for _, d := range s.dirs {
		addDirs(d)
	}
	for d := range dirs {
		b.AddDir(d, 0o755)
	}
	if s.kind == artifact.KindTree {
		b.AddDir("", 0o750)
	}
	mf, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return mf
}

// span returns the bytes of a span.
func (s sample) span(mf *artifact.Manifest, n int) []byte {
	var data []byte
	sp := mf.Span(n)
	for i := range int(sp.Pieces) {
		pc := mf.Piece(int(sp.FirstPiece) + i)
		f := s.files[mf.Files()[pc.File].Path]
		data = append(data, f[pc.Offset:pc.Offset+pc.Length]...)
	}
	return data
}

// write puts the content at path, as somebody else would.
func (s sample) write(t testing.TB, at string) {
	t.Helper()
	if s.kind == artifact.KindFile {
		must(t, os.WriteFile(at, s.files["sample"], 0o600))
		return
	}
	must(t, os.MkdirAll(at, 0o700))
	for _, d := range s.dirs {
		must(t, os.MkdirAll(filepath.Join(at, d), 0o700))
	}
	for name, data := range s.files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(at, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(at, name), data, 0o600))
	}
	for name, target := range s.links {
		must(t, os.Symlink(target, filepath.Join(at, name)))
	}
}

// differs says what at path is not as in the sample; "" if all is.
func (s sample) differs(at string, extras ...string) string {
	if s.kind == artifact.KindFile {
		got, err := os.ReadFile(at)
		if err != nil || !bytes.Equal(got, s.files["sample"]) {
			return fmt.Sprintf("file differs (%v)", err)
		}
		return ""
	}
	var problem string
	for name, want := range s.files {
		got, err := os.ReadFile(filepath.Join(at, name))
		if err != nil || !bytes.Equal(got, want) {
			problem = fmt.Sprintf("%s differs (%v)", name, err)
		}
	}
	for name, want := range s.links {
		if got, err := os.Readlink(filepath.Join(at, name)); err != nil || got != want {
			problem = fmt.Sprintf("link %s is %q (%v)", name, got, err)
		}
	}
	for _, d := range s.dirs {
		if info, err := os.Stat(filepath.Join(at, d)); err != nil || !info.IsDir() {
			problem = "no directory " + d
		}
	}
	filepath.WalkDir(at, func(p string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(at, p)
		_, isFile := s.files[rel]
		_, isLink := s.links[rel]
		if err == nil && !e.IsDir() && !isFile && !isLink && !slices.Contains(extras, rel) {
			problem = "unexpected " + rel
		}
		return nil
	})
	return problem
}

func (s sample) clone() sample {
	s.files, s.links = maps.Clone(s.files), maps.Clone(s.links)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code string) *api.Error {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *api.Error with code %s", err, code)
	}
	if e.Code != code || e.Subject == "" || e.Fix == "" {
		t.Fatalf("got %+v, want code %s with subject and fix", e, code)
	}
	return e
}

// box is a root, a state directory and a manager on them.
type box struct {
	t           testing.TB
	root, state string
	m           *Manager
}

func newBox(t testing.TB) *box {
	b := &box{t: t, root: t.TempDir(), state: filepath.Join(t.TempDir(), "state")}
	b.restart()
	return b
}

// memoryBox is a box where syncing costs nothing, for tests that do it often.
func memoryBox(t testing.TB) *box {
	dir, err := os.MkdirTemp("/dev/shm", "rackswarm-test-")
	if err != nil {
		dir = t.TempDir() // no tmpfs there: only slower
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &box{t: t, root: filepath.Join(dir, "root"), state: filepath.Join(dir, "state")}
	must(t, os.Mkdir(b.root, 0o755))
	b.restart()
	return b
}

// restart is a new process on the same disk.
func (b *box) restart() {
	b.t.Helper()
	m, err := New(Options{Roots: []string{b.root}, StateDir: b.state})
	must(b.t, err)
	b.m = m
}

func (b *box) path(name string) string { return filepath.Join(b.root, name) }

func (b *box) request(s sample) Request {
	return Request{ID: "web", Path: b.path("site"), Manifest: s.manifest(b.t)}
}

func (b *box) open(r Request) *Placement {
	b.t.Helper()
	p, err := b.m.Open(r)
	must(b.t, err)
	b.t.Cleanup(func() { p.Close() })
	return p
}

func (b *box) prepare(r Request) *Placement {
	b.t.Helper()
	p := b.open(r)
	must(b.t, p.Prepare(b.t.Context(), nil))
	return p
}

// fill writes all missing spans and returns how many there were.
func fill(t testing.TB, p *Placement, s sample) int {
	t.Helper()
	missing := p.missing()
	for _, span := range missing {
		must(t, p.WriteSpan(span, s.span(p.mf, span)))
	}
	return len(missing)
}

func (b *box) install(r Request, s sample) *Placement {
	b.t.Helper()
	p := b.prepare(r)
	fill(b.t, p, s)
	must(b.t, p.Install(context.Background()))
	b.same(p, s)
	return p
}

// same checks that s stands installed, served and without any leftovers.
func (b *box) same(p *Placement, s sample, extras ...string) {
	b.t.Helper()
	if d := s.differs(p.dest.path, extras...); d != "" {
		b.t.Fatal(d)
	}
	if !p.Installed() || !p.Have().Full() {
		b.t.Fatalf("installed %v, have %d of %d", p.Installed(), p.Have().Count(), p.mf.NumSpans())
	}
	readAll(b.t, p, s)
	b.clean()
}

func readAll(t testing.TB, r Reader, s sample) {
	t.Helper()
	mf, have := r.Manifest(), r.Have()
	for i := have.NextSet(0); i >= 0; i = have.NextSet(i + 1) {
		want := s.span(mf, i)
		got := make([]byte, len(want)-1)
		must(t, r.ReadAt(i, 1, got))
		if !bytes.Equal(got, want[1:]) {
			t.Fatalf("span %d reads wrong", i)
		}
	}
}

// clean checks that no staging directory is left.
func (b *box) clean() {
	b.t.Helper()
	left, _ := filepath.Glob(filepath.Join(b.root, stagingPrefix+"*"))
	if len(left) > 0 {
		b.t.Fatalf("left behind: %v", left)
	}
}

func single(version uint64) sample {
	data := blob(7, 9*testPieceLength+1)
	copy(data[3*testPieceLength:], fmt.Sprintf("version %d", version))
	return sample{kind: artifact.KindFile, files: map[string][]byte{"sample": data}}
}

func both(t *testing.T, fn func(t *testing.T, make func(uint64) sample)) {
	t.Run("tree", func(t *testing.T) { fn(t, site) })
	t.Run("file", func(t *testing.T) { fn(t, single) })
}
