package storage

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// smallDisk is a box whose root is a filesystem of its own.
func smallDisk(t *testing.T, options string) *box {
	b := newBox(t)
	mountTmpfs(t, b.root, options)
	b.restart()
	return b
}

func oneFile(size int) sample {
	return sample{kind: artifact.KindFile, files: map[string][]byte{"sample": blob(3, size)}}
}

func TestSpaceIsCheckedBeforeTheFirstByte(t *testing.T) {
	b := smallDisk(t, "size=2m")
	p := b.open(b.request(oneFile(3 << 20)))
	e := wantCode(t, p.Prepare(t.Context(), nil), api.CodeNoSpace)
	if !strings.Contains(e.Message, fmt.Sprint(3<<20)) || !strings.Contains(e.Message, "available") || e.Subject != b.path("site") {
		t.Fatalf("%+v", e)
	}
	if left, err := os.ReadDir(b.root); err != nil || len(left) > 0 {
		t.Fatalf("%v is left (%v)", left, err)
	}
	if err := p.WriteSpan(0, oneFile(3<<20).span(p.mf, 0)); !errors.Is(err, ErrNotPrepared) {
		t.Fatal(err)
	}
}

// The version that stands stays until the new one does, so that both have to
// fit.
func TestSpaceCountsTheVersionKept(t *testing.T) {
	b := smallDisk(t, "size=2m")
	old := oneFile(1 << 20)
	p := b.install(b.request(old), old)
	p.Close()
	p = b.open(b.request(oneFile(1<<20 + 300<<10)))
	wantCode(t, p.Prepare(t.Context(), nil), api.CodeNoSpace)
	if d := old.differs(b.path("site")); d != "" {
		t.Fatal(d)
	}
	p.Close()
	b.restart()
	b.same(b.prepare(b.request(old)), old)
	b.install(Request{ID: "other", Path: b.path("other"), Manifest: oneFile(600 << 10).manifest(t)}, oneFile(600<<10))
}

func TestInodesAreChecked(t *testing.T) {
	b := smallDisk(t, "size=8m,nr_inodes=30")
	p := b.open(b.request(site(1)))
	if e := wantCode(t, p.Prepare(t.Context(), nil), api.CodeNoSpace); !strings.Contains(e.Message, "inodes") {
		t.Fatal(e)
	}
}

// What is staged already is not counted twice.
func TestSpaceOfAResumedStaging(t *testing.T) {
	b := smallDisk(t, "size=2m")
	s := oneFile(1<<20 + 500<<10)
	p := b.prepare(b.request(s))
	fill(t, p, s)
	crash(p)
	b.restart()
	p = b.prepare(b.request(s))
	must(t, p.Install(t.Context()))
	b.same(p, s)
}

// Somebody else fills the disk during the transfer.
func TestDiskFillsUp(t *testing.T) {
	for name, s := range map[string]sample{"file": oneFile(1 << 20), "tree": site(1)} {
		t.Run(name, func(t *testing.T) {
			b := smallDisk(t, "size=2m")
			p := b.prepare(b.request(s))
			must(t, p.WriteSpan(0, s.span(p.mf, 0)))
			eat(t, b.path("other"))
			failed := -1
			for i := range p.mf.NumSpans() {
				if err := p.WriteSpan(i, s.span(p.mf, i)); err != nil {
					e := wantCode(t, err, api.CodeNoSpace)
					if !errors.Is(err, syscall.ENOSPC) || e.Subject != b.path("site") {
						t.Fatalf("%+v", e)
					}
					failed = i
					break
				}
			}
			if failed < 0 || p.has(failed) {
				t.Fatalf("span %d", failed)
			}
			readAll(t, p, s)
			crash(p)
			b.restart()
			wantCode(t, b.open(b.request(s)).Prepare(t.Context(), nil), api.CodeNoSpace)
			must(t, os.Remove(b.path("other")))
			b.restart()
			p = b.prepare(b.request(s))
			if n := fill(t, p, s); n >= p.mf.NumSpans() {
				t.Fatal("the staging was not resumed")
			}
			must(t, p.Install(t.Context()))
			b.same(p, s)
		})
	}
}

// eat writes a file until the filesystem is full.
func eat(t testing.TB, path string) {
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadOnlyFilesystem(t *testing.T) {
	b := smallDisk(t, "size=2m")
	old := site(1)
	b.install(b.request(old), old).Close()
	must(t, syscall.Mount("", b.root, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	p := b.open(b.request(site(2)))
	err := p.Prepare(t.Context(), nil)
	if e := wantCode(t, err, api.CodeIO); !errors.Is(err, syscall.EROFS) || !strings.Contains(e.Fix, "read-write") {
		t.Fatalf("%+v", e)
	}
	p.Close()
	p = b.prepare(b.request(old)) // nothing has to be written for what stands
	b.same(p, old)
}
