package storage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// forge changes one byte and keeps size and mtime.
func forge(t testing.TB, path string) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)/2] ^= 1
	must(t, os.WriteFile(path, data, 0))
	must(t, os.Chtimes(path, time.Time{}, info.ModTime()))
}

func TestTreeIsRepairedFileByFile(t *testing.T) {
	for name, restart := range map[string]bool{"running": false, "after restart": true} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			s := site(1)
			p := b.install(b.request(s), s)
			must(t, os.Remove(b.path("site/lib/b/f07")))
			forge(t, b.path("site/big.db"))
			must(t, os.WriteFile(b.path("site/lib/mine"), []byte("extra"), 0o600))
			before, err := os.Stat(b.path("site/bin/tool"))
			must(t, err)
			if restart {
				p.Close()
				b.restart()
				p = b.prepare(b.request(s))
			} else {
				drift, err := p.Check(t.Context(), false)
				must(t, err)
				if !slices.Equal(drift.Missing, []string{"lib/b/f07"}) || !slices.Equal(drift.Changed, []string{"big.db"}) || drift.Mended != nil {
					t.Fatalf("%+v", drift)
				}
				if again, err := p.Check(t.Context(), false); err != nil || again.Missing != nil || again.Changed != nil {
					t.Fatalf("reported twice: %+v, %v", again, err)
				}
			}
			if p.Installed() {
				t.Fatal("installed although files are missing")
			}
			wantLost(t, p, "lib/b/f07", "big.db")
			readAll(t, p, s) // the rest is still served
			fill(t, p, s)
			readAll(t, p, s)
			must(t, p.Install(t.Context()))
			b.same(p, s, "lib/mine")
			after, err := os.Stat(b.path("site/bin/tool"))
			must(t, err)
			if !os.SameFile(before, after) || stampOf(before) != stampOf(after) {
				t.Fatal("the repair touched a file that was right")
			}
			if drift, err := p.Check(t.Context(), false); err != nil || drift.Missing != nil || drift.Changed != nil || drift.Mended != nil {
				t.Fatalf("drift after the repair: %+v, %v", drift, err)
			}
		})
	}
}

// wantLost checks that exactly the spans of some files are missing.
func wantLost(t testing.TB, p *Placement, names ...string) {
	t.Helper()
	want := map[int]bool{}
	for i, f := range p.mf.Files() {
		if slices.Contains(names, f.Path) {
			first, last, _ := p.mf.SpansOfFile(i)
			for s := first; s <= last; s++ {
				want[s] = true
			}
		}
	}
	for s := range p.mf.NumSpans() {
		if p.has(s) == want[s] {
			t.Fatalf("span %d: have %v, its file is broken %v", s, p.has(s), want[s])
		}
	}
}

func TestFileIsRepaired(t *testing.T) {
	b := newBox(t)
	s := single(1)
	p := b.install(b.request(s), s)
	forge(t, b.path("site"))
	drift, err := p.Check(t.Context(), false)
	must(t, err)
	if !slices.Equal(drift.Changed, []string{"sample"}) {
		t.Fatalf("%+v", drift)
	}
	if n := fill(t, p, s); n != 1 {
		t.Fatalf("%d spans fetched; only one is broken", n)
	}
	must(t, p.Install(t.Context()))
	b.same(p, s)

	// As editors do it: another file under the name.
	must(t, os.WriteFile(b.path("new"), []byte("short"), 0o600))
	must(t, os.Rename(b.path("new"), b.path("site")))
	p.Close()
	p = b.prepare(b.request(s))
	fill(t, p, s)
	must(t, p.Install(t.Context()))
	b.same(p, s)

	must(t, os.Remove(b.path("site")))
	_, err = p.Check(t.Context(), false)
	must(t, err)
	fill(t, p, s)
	must(t, p.Install(t.Context()))
	b.same(p, s)
}

func TestWholeDestinationIsLost(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		r := b.request(make(1))
		r.Path = b.path("dir/site")
		p := b.install(r, make(1))
		must(t, os.RemoveAll(b.path("dir")))
		drift, err := p.Check(t.Context(), false)
		must(t, err)
		if len(drift.Missing) == 0 || p.Have().Count() != 0 {
			t.Fatalf("%+v, have %d", drift, p.Have().Count())
		}
		fill(t, p, make(1))
		must(t, p.Install(t.Context()))
		b.same(p, make(1))

		// Moved away, with something else in its place.
		must(t, os.Rename(b.path("dir/site"), b.path("dir/moved")))
		must(t, os.Mkdir(b.path("dir/site"), 0o755))
		must(t, os.WriteFile(b.path("dir/site/theirs"), nil, 0o600))
		_, err = p.Check(t.Context(), false)
		wantCode(t, err, api.CodeForeignContent)
		if d := make(1).differs(b.path("dir/moved")); d != "" {
			t.Fatal(d)
		}
	})
}

func TestMetadataIsMendedAtOnce(t *testing.T) {
	b := newBox(t)
	s := site(1)
	p := b.install(b.request(s), s)
	dir := b.path("site")
	must(t, os.Chmod(dir+"/bin/tool", 0o600))
	must(t, os.Chmod(dir+"/lib", 0o700))
	must(t, os.RemoveAll(dir+"/spool"))
	must(t, os.Remove(dir+"/current"))
	must(t, os.Symlink("elsewhere", dir+"/current"))
	must(t, os.Remove(dir+"/abs"))
	must(t, os.WriteFile(dir+"/empty", []byte("no longer"), 0o600))
	drift, err := p.Check(t.Context(), false)
	must(t, err)
	slices.Sort(drift.Mended)
	want := []string{"abs", "bin/tool", "current", "empty", "lib", "spool", "spool/in"}
	if got := slices.Compact(drift.Mended); !slices.Equal(got, want) || drift.Missing != nil || drift.Changed != nil {
		t.Fatalf("%+v", drift)
	}
	b.same(p, s)
	info, err := os.Stat(dir + "/bin/tool")
	must(t, err)
	if info.Mode().Perm() != 0o755 || info.Mode()&os.ModeSetuid == 0 {
		t.Fatalf("mode %v", info.Mode())
	}
	if drift, err := p.Check(t.Context(), false); err != nil || drift.Mended != nil {
		t.Fatalf("mended twice: %+v, %v", drift, err)
	}
}

// Whatever stands in the way of a directory, a link or a file is not lost.
func TestObstructionsAreSetAside(t *testing.T) {
	b := newBox(t)
	s := site(1)
	p := b.install(b.request(s), s)
	dir, outside := b.path("site"), t.TempDir()
	must(t, os.RemoveAll(dir+"/lib"))
	must(t, os.WriteFile(dir+"/lib", []byte("theirs"), 0o600))
	must(t, os.RemoveAll(dir+"/bin"))
	must(t, os.Symlink(outside, dir+"/bin"))
	must(t, os.Remove(dir+"/current"))
	must(t, os.Mkdir(dir+"/current", 0o700))
	must(t, os.Remove(dir+"/VERSION"))
	must(t, os.Mkdir(dir+"/VERSION", 0o700))
	must(t, os.WriteFile(dir+"/VERSION/theirs", nil, 0o600))
	_, err := p.Check(t.Context(), false)
	must(t, err)
	fill(t, p, s)
	must(t, p.Install(t.Context()))
	b.same(p, s, "lib.before-rackswarm", "VERSION.before-rackswarm/theirs")
	for _, kept := range []string{"lib.before-rackswarm", "current.before-rackswarm", "VERSION.before-rackswarm/theirs"} {
		if _, err := os.Stat(filepath.Join(dir, kept)); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Fatal("something was written outside")
	}
}

func TestDeepCheckFindsSilentDamage(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		s := make(1)
		p := b.install(b.request(s), s)
		file := b.path("site")
		if p.live.name == "" {
			file = b.path("site/big.db")
		}
		forge(t, file)
		// The medium decays: the stamps know nothing of it.
		i := slices.IndexFunc(p.live.files, func(f artifact.File) bool { return f.Path == "big.db" || f.Path == "sample" })
		info, err := os.Lstat(file)
		must(t, err)
		p.live.stamps[i] = stampOf(info)
		if drift, err := p.Check(t.Context(), false); err != nil || drift.Changed != nil {
			t.Fatalf("%+v, %v", drift, err)
		}
		drift, err := p.Check(t.Context(), true)
		if err != nil || len(drift.Changed) != 1 {
			t.Fatalf("%+v, %v", drift, err)
		}
		fill(t, p, s)
		must(t, p.Install(t.Context()))
		b.same(p, s)
	})
}

func TestReadNoticesChange(t *testing.T) {
	for name, spoil := range map[string]func(string) error{
		"truncated": func(f string) error { return os.Truncate(f, 5) },
		"removed":   os.Remove,
		"replaced": func(f string) error {
			return errors.Join(os.WriteFile(f+"2", blob(9, 5*testPieceLength+777), 0o600), os.Rename(f+"2", f))
		},
		"fifo": func(f string) error { return errors.Join(os.Remove(f), syscall.Mkfifo(f, 0o600)) },
	} {
		for _, warm := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				b := newBox(t)
				s := site(1)
				p := b.install(b.request(s), s)
				if !warm {
					p.Close()
					p = b.prepare(b.request(s))
				}
				must(t, spoil(b.path("site/big.db")))
				i := slices.IndexFunc(p.mf.Files(), func(f artifact.File) bool { return f.Path == "big.db" })
				span, _, _ := p.mf.SpansOfFile(i)
				var changed *ChangedError
				err := p.ReadAt(span, 0, make([]byte, 100))
				if !errors.Is(err, ErrChanged) || !errors.As(err, &changed) || changed.File != "big.db" {
					t.Fatal(err)
				}
				_, err = p.Check(t.Context(), false)
				must(t, err)
				wantLost(t, p, "big.db")
			})
		}
	}
}

// A change right after the installation, of the same length and with the same
// mtime, is noticed although the filesystem's clock ticks slowly.
func TestImmediateChangeIsNoticed(t *testing.T) {
	b := newBox(t)
	s := site(1)
	p := b.install(b.request(s), s)
	for range 3 {
		forge(t, b.path("site/bin/tool"))
		drift, err := p.Check(t.Context(), false)
		if err != nil || !slices.Equal(drift.Changed, []string{"bin/tool"}) {
			t.Fatalf("%+v, %v", drift, err)
		}
		fill(t, p, s)
		must(t, p.Install(t.Context()))
	}
	b.same(p, s)
}
