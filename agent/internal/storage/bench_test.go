package storage

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

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

// BenchmarkPlace puts the same bytes in place as one file and as 100,000 files of
// 8 KiB, on tmpfs and on a disk: as the loop does, as many spans at a time as
// there are cores. The metrics say where the time goes.
func BenchmarkPlace(b *testing.B) {
	const files, size = 100_000, 8 << 10
	trees := map[string]sample{"big": oneFile(files * size), "small": {kind: artifact.KindTree, files: map[string][]byte{}}}
	data := trees["big"].files["sample"]
	for i := range files {
		trees["small"].files[fmt.Sprintf("d%03d/e%d/file%05d", i%100, i/100%10, i)] = data[i*size : (i+1)*size]
	}
	for _, shape := range []string{"big", "small"} {
		s := trees[shape]
		mf := s.manifestOf(b, artifact.ChoosePieceLength(files*size, len(s.files)))
		spans := make([][]byte, mf.NumSpans())
		for i := range spans {
			spans[i] = s.span(mf, i)
		}
		for _, on := range []string{"tmpfs", "disk"} {
			b.Run(on+"/"+shape, func(b *testing.B) {
				b.SetBytes(int64(mf.Size()))
				for b.Loop() {
					b.StopTimer()
					x := newBox(b)
					if on == "tmpfs" {
						x = memoryBox(b)
					}
					b.StartTimer()
					x.place(b, mf, spans)
				}
			})
		}
	}
}

// place fetches, installs and seeds an artifact, and takes it away.
func (b *box) place(t *testing.B, mf *artifact.Manifest, spans [][]byte) {
	lap, spent := time.Now(), cpuTime(t)
	took := func(what string) {
		t.ReportMetric(float64(time.Since(lap).Milliseconds()), what+"-ms")
		t.ReportMetric(float64((cpuTime(t) - spent).Milliseconds()), what+"-cpu-ms")
		lap, spent = time.Now(), cpuTime(t)
	}
	p := b.prepare(Request{ID: "web", Path: b.path("site"), Manifest: mf})
	took("prepare")
	must(t, parallel(t.Context(), len(spans), func(_ context.Context, _, i int) error { return p.WriteSpan(i, spans[i]) }))
	took("write")
	must(t, p.Install(t.Context()))
	took("install")
	bufs := newBuffers()
	must(t, parallel(t.Context(), len(spans), func(_ context.Context, worker, i int) error {
		return p.ReadAt(i, 0, bufs.get(worker, len(spans[i])))
	}))
	took("seed")
	_, err := p.Check(t.Context(), false)
	must(t, err)
	took("check")
	must(t, p.Remove(t.Context()))
	took("remove")
	p.Close()
}

// cpuTime is what this process has used so far.
func cpuTime(t testing.TB) time.Duration {
	var r syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
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
