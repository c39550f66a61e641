package storage

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/api"
)

// replace installs s over what stands, which is kept, and returns how many spans
// that took.
func (b *box) replace(s sample) (*Placement, int) {
	b.t.Helper()
	p := b.prepare(b.request(s))
	n := fill(b.t, p, s)
	must(b.t, p.Stage(b.t.Context()))
	must(b.t, p.InstallKeeping(b.t.Context()))
	return p, n
}

// stands checks that one version is installed and another is kept, whole.
func (b *box) stands(p *Placement, now, kept sample) {
	b.t.Helper()
	if d := now.differs(p.dest.path); d != "" || !p.Installed() {
		b.t.Fatalf("installed %v: %s", p.Installed(), d)
	}
	readAll(b.t, p, now)
	d, size := p.Kept()
	if want := kept.manifest(b.t).Digest(); d == nil || *d != want || size == 0 {
		b.t.Fatalf("kept is %v of %d bytes, want %v", d, size, want)
	}
	if d := kept.differs(b.path(".rackswarm-web+kept/" + stagedName(kept.kind))); d != "" {
		b.t.Fatalf("what is kept: %s", d)
	}
	if _, err := os.Lstat(b.path(".rackswarm-web")); err == nil {
		b.t.Fatal("the staging directory is left")
	}
}

// The version before comes back, and the newer one after it, without a span from
// anywhere; not even over restarts of the machine.
func TestBackAndForth(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		b.install(b.request(make(1)), make(1)).Close()
		p, _ := b.replace(make(2))
		b.stands(p, make(2), make(1))
		for now := uint64(1); now <= 4; now++ {
			p.Close()
			b.restart()
			b.m.boot[0] += byte(now)
			next, other := make(1+(now+1)%2), make(1+now%2)
			var n int
			if p, n = b.replace(next); n != 0 {
				t.Fatalf("%d spans were fetched", n)
			}
			b.stands(p, next, other)
		}
		third := make(3)
		p.Close()
		p, _ = b.replace(third) // pushes the older one out
		b.stands(p, third, make(2))
		p.Tidy(t.Context(), nil)
		b.same(p, third)
	})
}

// The disk is full by the time that the version before is to come back.
func TestBackOnAFullDisk(t *testing.T) {
	for on, disk := range map[string]func(t *testing.T) *box{
		"tmpfs": func(t *testing.T) *box { return smallDisk(t, "size=8m") },
		"ext4": func(t *testing.T) *box {
			b, _, _ := loopDisk(t, "100m", "continue")
			return b
		},
	} {
		t.Run(on, func(t *testing.T) {
			both(t, func(t *testing.T, make func(uint64) sample) {
				b := disk(t)
				b.install(b.request(make(1)), make(1)).Close()
				p, _ := b.replace(make(2))
				p.Close()
				eat(t, b.root+"/other")
				b.restart()
				p = b.prepare(b.request(make(1)))
				if n := len(p.missing()); n != 0 {
					t.Fatalf("%d spans are missing", n)
				}
				must(t, p.InstallKeeping(t.Context()))
				b.stands(p, make(1), make(2))
			})
		})
	}
}

// A kept version is not taken for right where somebody changed it.
func TestKeptVersionThatChanged(t *testing.T) {
	b := newBox(t)
	b.install(b.request(site(1)), site(1)).Close()
	p, _ := b.replace(site(2))
	p.Close()
	kept := b.path(".rackswarm-web+kept/tree") + "/"
	must(t, os.WriteFile(kept+"lib/a/new.so", blob(1, 3*testPieceLength), 0o644))
	must(t, os.Remove(kept+"bin/tool"))
	must(t, os.Chmod(kept+"VERSION", 0o600)) // another stamp, the same content
	p, n := b.replace(site(1))
	if n == 0 || n > 3 {
		t.Fatalf("%d spans were fetched", n)
	}
	b.stands(p, site(1), site(2))
}

func TestForeignKeptDirectoryIsNotUsed(t *testing.T) {
	b := newBox(t)
	b.install(b.request(site(1)), site(1)).Close()
	p, _ := b.replace(site(2))
	must(t, os.Chmod(b.path(".rackswarm-web+kept"), 0o777))
	if d, _ := p.Kept(); d != nil {
		t.Fatal("what others may write to counts as kept")
	}
	p.Close()
	p = b.prepare(b.request(site(3)))
	fill(t, p, site(3))
	wantCode(t, p.InstallKeeping(t.Context()), api.CodeConflict)
}

// The process dies after each step of an installation that keeps what it
// replaces.
func TestCrashBetweenKeepingSteps(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		for n := range len((&swap{}).steps()) + 1 {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				b := memoryBox(t)
				crash(b.install(b.request(make(1)), make(1)))
				p := b.prepare(b.request(make(2)))
				fill(t, p, make(2))
				_, err := p.freeze()
				must(t, err)
				must(t, p.runSteps(t.Context(), (&swap{p: p, keep: true}).steps()[:n]))
				crash(p)
				if o, n := make(1).differs(b.path("site")), make(2).differs(b.path("site")); o != "" && n != "" {
					t.Fatalf("neither the old content (%s) nor the new (%s)", o, n)
				}
				b.restart()
				p, fetched := b.replace(make(2))
				if fetched != 0 {
					t.Fatalf("%d spans were fetched again", fetched)
				}
				b.stands(p, make(2), make(1))
			})
		}
	})
}

// The process dies between the two renames that keep a version, and between
// those that take it back.
func TestCrashWhileKeeping(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		crash(b.install(b.request(make(1)), make(1)))
		p := b.prepare(b.request(make(2)))
		fill(t, p, make(2))
		_, err := p.freeze()
		must(t, err)
		steps := (&swap{p: p, keep: true}).steps()
		for n, s := range steps {
			if s.name == "put the previous content away" {
				steps = steps[:n]
				break
			}
		}
		must(t, p.runSteps(t.Context(), steps))
		k, err := openStaging(p.parent, p.keptName(), true)
		must(t, err)
		name := stagedName(p.mf.Kind())
		must(t, rename(p.stage.dir, name, k.dir, name, unix.RENAME_NOREPLACE))
		k.close()
		crash(p)
		b.restart()
		p = b.prepare(b.request(make(2)))
		b.stands(p, make(2), make(1))
		p.Close()

		p = b.open(b.request(make(1)))
		must(t, p.enter())
		s, err := p.openStaging(true)
		must(t, err)
		must(t, rename(k0(t, p), name, s.dir, name, unix.RENAME_NOREPLACE))
		s.close()
		crash(p)
		b.restart()
		p, n := b.replace(make(1))
		if n != 0 {
			t.Fatalf("%d spans were fetched", n)
		}
		b.stands(p, make(1), make(2))
	})
}

func k0(t *testing.T, p *Placement) *os.Root {
	t.Helper()
	dir, err := p.parent.OpenRoot(p.keptName())
	must(t, err)
	t.Cleanup(func() { dir.Close() })
	return dir
}

// What is set aside is gone from the destination, and comes back for nothing.
func TestSetAside(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		p := b.install(b.request(make(1)), make(1))
		must(t, p.SetAside(t.Context()))
		if _, err := os.Lstat(b.path("site")); err == nil {
			t.Fatal("it still stands")
		}
		p.Close()
		b.restart()
		if list, _ := b.m.Placements(); len(list) != 1 || list[0].Installed {
			t.Fatalf("%+v", list)
		}
		p = b.prepare(b.request(make(1)))
		if n := fill(t, p, make(1)); n != 0 {
			t.Fatalf("%d spans were fetched", n)
		}
		must(t, p.Install(t.Context()))
		b.same(p, make(1))
		must(t, p.SetAside(t.Context()))
		must(t, p.Remove(t.Context()))
		b.clean()
	})
}

// The process dies while it sets something aside: before the rename it stands,
// after it does not.
func TestCrashWhileSettingAside(t *testing.T) {
	b := newBox(t)
	p := b.install(b.request(site(1)), site(1))
	k, err := openStaging(p.parent, p.keptName(), true)
	must(t, err)
	must(t, os.WriteFile(b.path(".rackswarm-web+kept/index"), p.idx.encode(), 0o600))
	crash(p)
	k.close()
	b.restart()
	p = b.prepare(b.request(site(1)))
	if d, _ := p.Kept(); d != nil || !p.Installed() {
		t.Fatalf("kept %v, installed %v", d, p.Installed())
	}
	p.Tidy(t.Context(), nil)
	b.same(p, site(1))
	must(t, os.MkdirAll(b.path(".rackswarm-web+kept"), 0o700))
	must(t, os.WriteFile(b.path(".rackswarm-web+kept/index"), p.idx.encode(), 0o600))
	must(t, os.Rename(b.path("site"), b.path(".rackswarm-web+kept/tree")))
	crash(p)
	b.restart()
	b.finishAfterCrash(b.request(site(1)), site(1), 0)
}

// Staged content is known again without being read, after a restart of the agent
// and of the machine; what does not look as it did is hashed.
func TestStagedContentStays(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		b.install(b.request(make(1)), make(1)).Close()
		p := b.prepare(b.request(make(2)))
		if p.StagedPath() == "" {
			t.Fatal("nothing is staged")
		}
		fill(t, p, make(2))
		must(t, p.Stage(t.Context()))
		must(t, p.Stage(t.Context()))
		readAll(t, p, make(2)) // it is given to others
		if d := make(2).differs(p.StagedPath()); d != "" {
			t.Fatalf("what is staged: %s", d)
		}
		staged := p.StagedPath()
		for range 2 {
			crash(p)
			b.restart()
			b.m.boot[0]++
			p = b.open(b.request(make(2)))
			must(t, p.Prepare(t.Context(), func(_, total int64) {
				if total > 0 {
					t.Fatalf("%d bytes were read", total)
				}
			}))
			if n := fill(t, p, make(2)); n != 0 {
				t.Fatalf("%d spans were fetched", n)
			}
			must(t, p.Stage(t.Context()))
		}
		if d := make(1).differs(p.dest.path); d != "" {
			t.Fatal(d)
		}
		crash(p)
		if make(1).kind == site(1).kind {
			staged += "/big.db"
		}
		forge(t, staged)
		b.restart()
		b.m.boot[0]++
		p = b.prepare(b.request(make(2)))
		fill(t, p, make(2))
		must(t, p.Stage(t.Context()))
		must(t, p.Install(t.Context()))
		b.same(p, make(2))
	})
}

// What stands is looked at and repaired while another version is staged, in
// whatever way it was damaged, and a restart of either changes nothing.
func TestRepairBesideStaging(t *testing.T) {
	for name, c := range map[string]struct {
		make  func(uint64) sample
		spoil func(t *testing.T, at string)
	}{
		"a tree's files": {site, func(t *testing.T, at string) {
			must(t, os.Remove(at+"/VERSION"))
			forge(t, at+"/big.db")
		}},
		"a file":       {single, func(t *testing.T, at string) { forge(t, at) }},
		"all of it":    {site, func(t *testing.T, at string) { must(t, os.RemoveAll(at)) }},
		"a whole file": {single, func(t *testing.T, at string) { must(t, os.Remove(at)) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			old := b.install(b.request(c.make(1)), c.make(1))
			next := b.prepare(b.request(c.make(2)))
			fill(t, next, c.make(2))
			must(t, next.Stage(t.Context()))
			repaired := func(old *Placement) {
				fill(t, old, c.make(1))
				must(t, old.Install(t.Context()))
				if d := c.make(1).differs(b.path("site")); d != "" || !old.Installed() {
					t.Fatalf("not repaired: %s", d)
				}
				old.Tidy(t.Context(), nil) // leaves what another works on
			}
			c.spoil(t, b.path("site"))
			_, err := old.Check(t.Context(), false)
			must(t, err)
			repaired(old)
			c.spoil(t, b.path("site"))
			_, err = old.Check(t.Context(), false)
			must(t, err)
			crash(old)
			repaired(b.prepare(b.request(c.make(1))))
			must(t, next.Install(t.Context()))
			b.same(next, c.make(2))
		})
	}
}

// Everything goes with the placement, the version that is kept too.
func TestRemovalTakesAll(t *testing.T) {
	for name, end := range map[string]func(p *Placement) error{
		"remove":  func(p *Placement) error { return p.Remove(t.Context()) },
		"release": func(p *Placement) error { return p.Release(t.Context()) },
	} {
		b := newBox(t)
		b.install(b.request(site(1)), site(1)).Close()
		p, _ := b.replace(site(2))
		next := b.prepare(b.request(site(3)))
		fill(t, next, site(3))
		must(t, next.Stage(t.Context()))
		next.Close()
		if err := end(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b.clean()
	}
}
