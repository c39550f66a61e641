package storage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// corrupt changes one byte of a file in a way that its stamp does not show: on
// tmpfs a write through a mapping leaves the times alone.
func corrupt(t testing.TB, path string) {
	t.Helper()
	before, err := os.Stat(path)
	must(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, int(before.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	m[0] ^= 1
	must(t, unix.Munmap(m))
	after, err := os.Stat(path)
	must(t, err)
	if stampOf(before) != stampOf(after) {
		t.Skip("there is no tmpfs at /dev/shm: a mapped write shows in the file's times")
	}
}

func fileSpan(mf *artifact.Manifest, path string) int {
	first, _, _ := mf.SpansOfFile(fileIndex(mf, path))
	return first
}

func fileIndex(mf *artifact.Manifest, path string) int {
	return slices.IndexFunc(mf.Files(), func(f artifact.File) bool { return f.Path == path })
}

// changeable is a file of a sample that stands at a path, and its name in the
// artifact.
func changeable(s sample, at string) (path, name string) {
	if s.kind == artifact.KindTree {
		return filepath.Join(at, "big.db"), "big.db"
	}
	return at, "sample"
}

// A source changes without a trace, and peers complain.
func TestSourceIsVerifiedAgain(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b, s := memoryBox(t), make(1)
		at := b.path("published")
		s.write(t, at)
		src, err := b.m.OpenSource(at, s.manifest(t))
		must(t, err)
		file, name := changeable(s, at)
		span := fileSpan(src.Manifest(), name)
		for i := range src.Manifest().NumSpans() {
			must(t, src.VerifySpan(i))
		}
		good, err := os.ReadFile(file)
		must(t, err)
		corrupt(t, file)
		must(t, src.ReadAt(span, 0, make1(10))) // nothing is to be seen of it
		var bad *BadPieceError
		if err := src.VerifySpan(span); !errors.As(err, &bad) || len(bad.Pieces) != 1 {
			t.Fatalf("the changed span verifies: %v", err)
		}
		for restart := range 2 {
			if src.Have().Has(span) || !errors.Is(src.VerifySpan(span), ErrMissing) {
				t.Fatal("the changed file is still offered")
			}
			if _, err := src.Check(t.Context(), false); err != nil || src.Have().Has(span) {
				t.Fatalf("after a check the changed file is offered: %v", err)
			}
			readAll(t, src, s) // of the rest
			if restart == 0 {
				src.Close()
				b.restart()
				src, err = b.m.OpenSource(at, s.manifest(t))
				must(t, err)
			}
		}
		must(t, os.WriteFile(file, good, 0))
		if _, err := src.Check(t.Context(), false); err != nil || !src.Have().Full() {
			t.Fatalf("the file is right again, and not offered: %v", err)
		}
		must(t, src.VerifySpan(span))
		must(t, src.Close())
	})
}

// A source is found changed by a peer's complaint while a check is under way,
// which looked at the file before that.
func TestCheckTakesNoRejectionBack(t *testing.T) {
	b, s := memoryBox(t), site(1)
	s.write(t, b.path("published"))
	src, err := b.m.OpenSource(b.path("published"), s.manifest(t))
	must(t, err)
	span := fileSpan(src.Manifest(), "big.db")
	rejected := slices.Clone(src.rejected)
	seen, err := src.content.inspect(t.Context(), src.content.stamps, inspection{
		hash: func(int) bool { return false }, skip: func(int, os.FileInfo) bool { return false }}, nil)
	must(t, err)
	corrupt(t, b.path("published/big.db"))
	if src.VerifySpan(span) == nil {
		t.Fatal("the changed span verifies")
	}
	must(t, src.apply(seen, rejected))
	if src.Have().Has(span) || src.content.stamps[fileIndex(src.Manifest(), "big.db")] != (stamp{}) {
		t.Fatal("the check took the rejection back")
	}
}

// Installed content changes without a trace: it is withdrawn, and the next look
// at it begins the repair.
func TestPlacementIsVerifiedAgain(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b, s := memoryBox(t), make(1)
		p := b.install(b.request(s), s)
		file, name := changeable(s, b.path("site"))
		span := fileSpan(p.mf, name)
		for i := range p.mf.NumSpans() {
			must(t, p.VerifySpan(i))
		}
		corrupt(t, file)
		if d, err := p.Check(t.Context(), false); err != nil || d.Changed != nil {
			t.Fatalf("the stamps tell: %+v, %v", d, err)
		}
		var bad *BadPieceError
		if err := p.VerifySpan(span); !errors.As(err, &bad) {
			t.Fatalf("the changed span verifies: %v", err)
		}
		if p.Have().Has(span) || !errors.Is(p.ReadAt(span, 0, make1(1)), ErrMissing) {
			t.Fatal("the changed file is still offered")
		}
		if err := p.WriteSpan(span, s.span(p.mf, span)); !errors.Is(err, ErrNotPrepared) {
			t.Fatalf("written to what stands: %v", err)
		}
		if d, err := p.Check(t.Context(), false); err != nil || !slices.Equal(d.Changed, []string{name}) {
			t.Fatalf("the check finds %+v, %v", d, err)
		}
		if n := fill(t, p, s); n == 0 || n == p.mf.NumSpans() {
			t.Fatalf("%d of %d spans are fetched", n, p.mf.NumSpans())
		}
		must(t, p.Install(t.Context()))
		b.same(p, s)
	})
}

// What was withdrawn in vain comes back with the next look.
func TestAcquittedFileIsOfferedAgain(t *testing.T) {
	b, s := memoryBox(t), site(1)
	p := b.install(b.request(s), s)
	file := b.path("site/big.db")
	span := fileSpan(p.mf, "big.db")
	corrupt(t, file)
	if p.VerifySpan(span) == nil {
		t.Fatal("the changed span verifies")
	}
	corrupt(t, file) // the bit flips back
	if d, err := p.Check(t.Context(), false); err != nil || d.Changed != nil || !p.Have().Full() {
		t.Fatalf("%+v, %v, have %d of %d", d, err, p.Have().Count(), p.mf.NumSpans())
	}
	readAll(t, p, s)
}

// What is staged is not served wrong either, and fetched again.
func TestStagedSpanIsVerifiedAgain(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b, s := memoryBox(t), make(1)
		p := b.prepare(b.request(s))
		fill(t, p, s)
		file, name := changeable(s, b.path(".rackswarm-web/"+stagedName(s.kind)))
		corrupt(t, file)
		span := fileSpan(p.mf, name)
		if p.VerifySpan(span) == nil || p.Have().Has(span) {
			t.Fatal("the changed span verifies")
		}
		crash(p)
		b.restart()
		p = b.prepare(b.request(s))
		if n := fill(t, p, s); n != 1 {
			t.Fatalf("%d spans are fetched again after a restart", n)
		}
		must(t, p.Install(t.Context()))
		b.same(p, s)
	})
}
