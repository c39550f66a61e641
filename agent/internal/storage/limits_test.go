package storage

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
)

const limitsChild = "RACKSWARM_LIMITS_CHILD"

// TestFewDescriptors places and serves a tree in a process that may have 256
// files open, to 40 peers at the same time.
func TestFewDescriptors(t *testing.T) {
	cmd := exec.Command("sh", "-c", "ulimit -n 256; exec \"$0\" -test.run='^TestLimitsChild$' -test.v", os.Args[0])
	cmd.Env = append(os.Environ(), limitsChild+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "placed with 256") {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestLimitsChild is the process with few descriptors.
func TestLimitsChild(t *testing.T) {
	if os.Getenv(limitsChild) == "" {
		return // this is not the child
	}
	b, s := memoryBox(t), sample{kind: artifact.KindTree, files: map[string][]byte{}}
	for i := range 4000 {
		s.files[fmt.Sprintf("d%d/e%d/f%d", i%7, i%300, i)] = blob(uint64(i), 3000)
	}
	for i := range 300 { // these stay open
		s.files[fmt.Sprintf("large/f%d", i)] = blob(uint64(i), keepOpen)
	}
	p := b.prepare(b.request(s))
	if b.m.fds.max != 64 {
		t.Fatalf("up to %d files are kept open", b.m.fds.max)
	}
	missing := p.missing()
	must(t, parallel(t.Context(), len(missing), func(_ context.Context, _, i int) error {
		return p.WriteSpan(missing[i], s.span(p.mf, missing[i]))
	}))
	must(t, p.Install(t.Context()))
	var peers sync.WaitGroup
	for n := range 40 {
		peers.Go(func() {
			for i := n; i < p.mf.NumSpans(); i += 7 {
				want := s.span(p.mf, i)
				got := make([]byte, len(want))
				if err := p.ReadAt(i, 0, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("span %d: %v", i, err)
				}
			}
		})
	}
	peers.Wait()
	if _, err := p.Check(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	fmt.Println("placed with", limit.Cur)
}

// TestNamesInAnyBytes places files whose names are not text.
func TestNamesInAnyBytes(t *testing.T) {
	both := func(name string) string { return name + "/" + name }
	s := sample{kind: artifact.KindTree, files: map[string][]byte{}, links: map[string]string{"\xff-link": "\xfe\n"}}
	for i, name := range []string{"a\nb", "\xff\xfe", "caf\xe9", "café", "%FF", strings.Repeat("n", 255), strings.Repeat("\x80", 255), " ", "\x01\x7f", "-rf", "\\", "*"} {
		s.files[both(name)] = blob(uint64(i), 100+i)
	}
	b := memoryBox(t)
	mf := s.manifest(t)
	again, err := artifact.Parse(mf.Encode())
	must(t, err)
	if again.Digest() != mf.Digest() {
		t.Fatal("read again it is another")
	}
	p := b.install(Request{ID: "web", Path: b.path("site"), Manifest: again}, s)
	p.Close()
	b.restart()
	b.same(b.prepare(Request{ID: "web", Path: b.path("site"), Manifest: again}), s)
}

// TestMemoryIsFlat: what a placement of many files keeps is a few hundred bytes
// for each.
func TestMemoryIsFlat(t *testing.T) {
	const files = 20_000
	build := artifact.NewBuilder("many", artifact.KindTree, 1<<20)
	data := blob(1, 64)
	layer := [][32]byte{artifact.PieceHash(data, 1<<20, true)}
	build.AddDir("", 0o755)
	for i := range files {
		if i%1000 == 0 {
			build.AddDir(fmt.Sprintf("d%03d", i/1000), 0o755)
		}
		build.AddFile(fmt.Sprintf("d%03d/file%06d", i/1000, i), 0o644, int64(len(data)), layer)
	}
	mf, err := build.Build()
	must(t, err)
	b := memoryBox(t)
	before := heap()
	p := b.prepare(Request{ID: "web", Path: b.path("site"), Manifest: mf})
	for _, span := range p.missing() {
		must(t, p.WriteSpan(span, bytes.Repeat(data, int(mf.Span(span).Pieces))))
	}
	must(t, p.Install(t.Context()))
	if per := (heap() - before) / files; per > 500 {
		t.Errorf("a placement keeps %d bytes for each file", per)
	}
	runtime.KeepAlive(p)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
