package storage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Writers, readers and checkers at the same time; every span is written twice.
// What is read is right at every moment, across the swap too.
func TestConcurrentUse(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		b.install(b.request(make(1)), make(1)).Close()
		s := make(2)
		p := b.prepare(b.request(s))
		var stop atomic.Bool
		var readers, writers sync.WaitGroup
		for n := range 3 {
			readers.Go(func() {
				for i := n; !stop.Load(); i = (i + 1) % p.mf.NumSpans() {
					readOne(t, p, s, i)
				}
			})
			writers.Go(func() {
				for i := range p.mf.NumSpans() {
					if err := p.WriteSpan(i, s.span(p.mf, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		readers.Go(func() {
			for !stop.Load() {
				if _, err := p.Check(t.Context(), false); err != nil {
					t.Error(err)
				}
			}
		})
		writers.Wait()
		must(t, p.Install(t.Context()))
		stop.Store(true)
		readers.Wait()
		b.same(p, s)
	})
}

func readOne(t *testing.T, p *Placement, s sample, i int) {
	want := s.span(p.mf, i)
	got := make([]byte, len(want))
	switch err := p.ReadAt(i, 0, got); {
	case errors.Is(err, ErrMissing):
	case err != nil:
		t.Error(err)
	case !bytes.Equal(got, want):
		t.Errorf("span %d reads wrong", i)
	}
}

func TestFDCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	c := newFDCache(4)
	var opened atomic.Int64
	get := func(owner uint64, file int) *handle {
		h, err := c.acquire(fdKey{owner, file, false}, func() (rawFile, error) {
			opened.Add(1)
			fd, err := unix.Open(filepath.Join(dir, fmt.Sprint(owner, "-", file)), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
			return rawFile(fd), err
		})
		must(t, err)
		return h
	}
	for i := range 10 {
		c.release(get(1, i))
	}
	if len(c.open) != 4 || c.idle.Len() != 4 {
		t.Fatalf("%d open, %d idle", len(c.open), c.idle.Len())
	}
	c.release(get(1, 9))
	if opened.Load() != 10 {
		t.Fatal("the most recently used file was closed")
	}
	held := get(1, 9)
	c.dropAll(1)
	if _, err := held.f.stat(); err != nil || len(c.open) != 0 {
		t.Fatalf("a file in use was closed: %v", err)
	}
	c.release(held)
	if _, err := held.f.stat(); err == nil {
		t.Fatal("a dropped file stays open")
	}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				h := get(uint64(n%2), i%7)
				if _, err := h.f.stat(); err != nil {
					t.Error("a file in use was closed")
				}
				if i%50 == 0 {
					c.drop(h.key.owner, h.key.file)
				}
				c.release(h)
			}
		})
	}
	all.Wait()
	if len(c.open) > 4 || c.idle.Len() != len(c.open) {
		t.Fatalf("%d open, %d idle", len(c.open), c.idle.Len())
	}
}

func TestManifestsAreKept(t *testing.T) {
	b := newBox(t)
	mf := site(1).manifest(t)
	_, err := b.m.Manifest(mf.Digest())
	wantCode(t, err, "not_found")
	must(t, b.m.SaveManifest(mf))
	got, err := b.m.Manifest(mf.Digest())
	if err != nil || got.Digest() != mf.Digest() || !bytes.Equal(got.Encode(), mf.Encode()) {
		t.Fatal(err)
	}
	must(t, os.WriteFile(filepath.Join(b.state, "manifests", manifestName(mf.Digest())), []byte("d"), 0o600))
	_, err = b.m.Manifest(mf.Digest())
	wantCode(t, err, "not_found")
	must(t, b.m.DropManifest(mf.Digest()))
	must(t, b.m.DropManifest(mf.Digest()))
}

// A damaged index costs hashing, not content.
func TestDamagedIndex(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		b.install(b.request(make(1)), make(1)).Close()
		must(t, os.WriteFile(filepath.Join(b.state, "placements", "web.json"), []byte(`{"version":`), 0o600))
		b.restart()
		b.same(b.prepare(b.request(make(1))), make(1))
	})
}
