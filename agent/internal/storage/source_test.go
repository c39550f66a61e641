package storage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
)

func TestSource(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		s, at := make(1), b.path("published")
		s.write(t, at)
		src, err := b.m.OpenSource(at, s.manifest(t))
		must(t, err)
		if !src.Have().Full() {
			t.Fatal("spans are missing")
		}
		readAll(t, src, s)

		file := at
		if s.kind == artifact.KindTree {
			file = filepath.Join(at, "big.db")
		}
		good, err := os.ReadFile(file)
		must(t, err)
		forge(t, file)
		i := slices.IndexFunc(src.Manifest().Files(), func(f artifact.File) bool { return f.Path == "big.db" || f.Path == "sample" })
		span, _, _ := src.Manifest().SpansOfFile(i)
		if err := src.ReadAt(span, 0, make1(10)); !errors.Is(err, ErrChanged) {
			t.Fatal(err)
		}
		if src.Have().Has(span) {
			t.Fatal("the changed file is still offered")
		}
		if err := src.ReadAt(span, 0, make1(10)); !errors.Is(err, ErrMissing) {
			t.Fatal(err)
		}
		drift, err := src.Check(t.Context(), false)
		if err != nil || len(drift.Changed) != 1 || src.Have().Has(span) {
			t.Fatalf("%+v %v", drift, err)
		}
		must(t, os.WriteFile(file, good, 0))
		drift, err = src.Check(t.Context(), false)
		if err != nil || drift.Changed != nil || !src.Have().Full() {
			t.Fatalf("%+v %v", drift, err)
		}
		readAll(t, src, s)

		// What changed while no agent was running is noticed.
		src.Close()
		forge(t, file)
		b.restart()
		src, err = b.m.OpenSource(at, s.manifest(t))
		must(t, err)
		if src.Have().Has(span) {
			t.Fatal("a file that changed meanwhile is offered")
		}
		must(t, src.Forget())
	})
}

func make1(n int) []byte { return make([]byte, n) }

func TestSourceThatDoesNotFit(t *testing.T) {
	b := newBox(t)
	site(1).write(t, b.path("published"))
	must(t, os.Truncate(b.path("published/VERSION"), 1))
	var changed *ChangedError
	if _, err := b.m.OpenSource(b.path("published"), site(1).manifest(t)); !errors.As(err, &changed) || changed.File != "VERSION" {
		t.Fatal(err)
	}
	if _, err := b.m.OpenSource(b.path("nowhere"), site(1).manifest(t)); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

// Published again, a source is open twice for a moment, and both are looked at.
func TestSourceIsOpenTwice(t *testing.T) {
	b, s := memoryBox(t), site(1)
	s.write(t, b.path("published"))
	var both sync.WaitGroup
	for range 2 {
		src, err := b.m.OpenSource(b.path("published"), s.manifest(t))
		must(t, err)
		t.Cleanup(func() { src.Close() })
		both.Go(func() {
			for range 50 {
				if _, err := src.Check(t.Context(), false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
}
