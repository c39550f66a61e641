package storage

import (
	"fmt"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// many is a tree of the Go distribution's shape: 15,000 small files in 1,000
// directories.
func many() sample {
	files := map[string][]byte{}
	for i := range 15_000 {
		files[fmt.Sprintf("src/pkg%03d/sub%d/deep/file%05d.go", i%250, i%4, i)] = blob(uint64(i), 300+i%9000)
	}
	return sample{kind: artifact.KindTree, files: files}
}

func BenchmarkCheck15000Files(b *testing.B) {
	x, s := newBox(b), many()
	p := x.install(x.request(s), s)
	for b.Loop() {
		if _, err := p.Check(b.Context(), false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlace15000Files(b *testing.B) {
	s := many()
	mf := s.manifest(b)
	spans := map[int][]byte{} // read in the order in which peers send: any
	for i := range mf.NumSpans() {
		spans[i] = s.span(mf, i)
	}
	b.SetBytes(int64(mf.Size()))
	for b.Loop() {
		x := newBox(b)
		p := x.prepare(Request{ID: "web", Path: x.path("site"), Manifest: mf})
		for i, data := range spans {
			must(b, p.WriteSpan(i, data))
		}
		must(b, p.Install(b.Context()))
		p.Close()
	}
}

func BenchmarkUpgrade15000Files(b *testing.B) {
	s := many()
	next := s.clone()
	next.files["VERSION"] = []byte("2")
	for b.Loop() {
		b.StopTimer()
		x := newBox(b)
		x.install(x.request(s), s).Close()
		r := x.request(next)
		b.StartTimer()
		p := x.prepare(r)
		fill(b, p, next)
		must(b, p.Install(b.Context()))
		p.Close()
	}
}
