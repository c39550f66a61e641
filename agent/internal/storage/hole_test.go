package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// huge is a file of 100 GB that is a hole but for three stretches of data, one of
// them with a hole of its own.
type huge struct {
	mf   *artifact.Manifest
	data map[int64][]byte // by offset: the pieces that are not zeros
}

const hugeLength, hugePiece = 100_000_000_000, artifact.MaxPieceLength

func newHuge(t testing.TB) huge {
	t.Helper()
	h := huge{data: map[int64][]byte{}}
	for _, piece := range []int64{0, 2000, hugeLength / hugePiece} {
		h.data[piece*hugePiece] = blob(uint64(piece), int(min(hugePiece, hugeLength-piece*hugePiece)))
	}
	clear(h.data[2000*hugePiece][100_000 : hugePiece-100_000])
	var layer [][32]byte
	for at := int64(0); at < hugeLength; at += hugePiece {
		if data := h.data[at]; data != nil {
			layer = append(layer, artifact.PieceHash(data, hugePiece, false))
		} else {
			layer = append(layer, artifact.ZeroPieceHash(min(hugePiece, hugeLength-at), hugePiece, false))
		}
	}
	b := artifact.NewBuilder("huge", artifact.KindFile, hugePiece)
	b.AddFile("huge", 0o644, hugeLength, layer)
	mf, err := b.Build()
	must(t, err)
	h.mf = mf
	return h
}

// write puts the file at a path.
func (h huge) write(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	if err := f.Truncate(hugeLength); errors.Is(err, syscall.EFBIG) {
		t.Skip("the filesystem of the test takes no file of 100 GB, sparse or not")
	} else if err != nil {
		t.Fatal(err)
	}
	for at, data := range h.data {
		must(t, rawFile(f.Fd()).writeSparse(data, at))
	}
}

// takes is how many bytes of disk a file has.
func takes(t testing.TB, path string) int64 {
	t.Helper()
	var st syscall.Stat_t
	must(t, syscall.Stat(path, &st))
	return st.Blocks * 512
}

// 100 GB are seeded, placed, looked after and verified as fast as the data in
// them, on a filesystem that has room for no more.
func TestSparseFile(t *testing.T) {
	b := smallDisk(t, "size=64m")
	h := newHuge(t)
	source := filepath.Join(t.TempDir(), "huge")
	h.write(t, source)
	src, err := b.m.OpenSource(source, h.mf)
	must(t, err)
	t.Cleanup(func() { src.Close() })

	p := b.prepare(Request{ID: "web", Path: b.path("site"), Manifest: h.mf})
	if missing := p.missing(); len(missing) != len(h.data) {
		t.Fatalf("%d spans are to be fetched; %d have data", len(missing), len(h.data))
	}
	crash(p) // what is a hole is one after a restart
	b.m.boot[0]++
	p = b.prepare(Request{ID: "web", Path: b.path("site"), Manifest: h.mf})
	for _, span := range p.missing() {
		buf := make([]byte, h.mf.Span(span).Length)
		must(t, src.ReadAt(span, 0, buf))
		must(t, p.WriteSpan(span, buf))
	}
	must(t, p.Install(t.Context()))
	info, err := os.Stat(b.path("site"))
	if err != nil || info.Size() != hugeLength {
		t.Fatal(info, err)
	}
	if n := takes(t, b.path("site")); n > int64(len(h.data))*hugePiece-hugePiece/2 {
		t.Fatalf("it takes %d bytes of disk", n)
	}
	for _, c := range []interface {
		Reader
		VerifySpan(int) error
	}{src, p} {
		for _, span := range []int{0, 1, 2000, h.mf.NumSpans() - 1} {
			must(t, c.VerifySpan(span))
		}
	}
	if drift, err := p.Check(t.Context(), true); err != nil || drift.Changed != nil {
		t.Fatalf("%+v %v", drift, err)
	}
	p.Close()
	b.restart()
	if p := b.prepare(Request{ID: "web", Path: b.path("site"), Manifest: h.mf}); !p.Installed() {
		t.Fatal("not installed after a restart")
	}
}

// A file that is staged holds something where there should be zeros.
func TestZerosOverwriteWhatWasThere(t *testing.T) {
	b := memoryBox(t)
	s := oneFile(4 * artifact.MinHole)
	clear(s.files["sample"][artifact.MinHole : 3*artifact.MinHole])
	mf := s.manifestOf(t, artifact.MinHole)
	r := Request{ID: "web", Path: b.path("site"), Manifest: mf}
	p := b.prepare(r)
	if n := len(p.missing()); n != 2 {
		t.Fatalf("%d spans are to be fetched", n)
	}
	crash(p)
	staged := b.path(".rackswarm-web/file")
	must(t, os.WriteFile(staged, blob(9, 4*artifact.MinHole), 0o600))
	must(t, os.Remove(b.path(".rackswarm-web/"+recordName)))
	b.restart()
	p = b.prepare(r)
	fill(t, p, s)
	must(t, p.Install(t.Context()))
	if d := s.differs(b.path("site")); d != "" {
		t.Fatal(d)
	}
	if n := takes(t, b.path("site")); n > 2*artifact.MinHole {
		t.Fatalf("it takes %d bytes", n)
	}
}

func TestWriteSparse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	rapid.Check(t, func(t *rapid.T) {
		const length = 6 * artifact.MinHole
		want := bytes.Repeat([]byte{7}, length)
		sure(t, os.WriteFile(path, want, 0o600))
		off := rapid.IntRange(0, length-1).Draw(t, "offset")
		data := bytes.Repeat([]byte{8}, rapid.IntRange(0, length-off).Draw(t, "length"))
		for range rapid.IntRange(0, 3).Draw(t, "runs") {
			from := rapid.IntRange(0, len(data)).Draw(t, "from")
			clear(data[from:rapid.IntRange(from, len(data)).Draw(t, "to")])
		}
		copy(want[off:], data)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		sure(t, err)
		defer f.Close()
		sure(t, rawFile(f.Fd()).writeSparse(data, int64(off)))
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("the file is wrong (%v)", err)
		}
	})
}

func sure(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
