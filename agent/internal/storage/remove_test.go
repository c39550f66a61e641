package storage

import (
	"os"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestRemove(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		p := b.install(b.request(make(1)), make(1))
		must(t, p.Remove(t.Context()))
		if _, err := os.Lstat(b.path("site")); err == nil {
			t.Fatal("it still stands")
		}
		b.gone()
		must(t, p.Remove(t.Context()))
		if p.Installed() || p.Have().Count() > 0 {
			t.Fatal("the placement does not know that it is removed")
		}
	})
}

// gone checks that nothing is known of the placement and nothing is left.
func (b *box) gone() {
	b.t.Helper()
	b.clean()
	list, err := b.m.Placements()
	must(b.t, err)
	if _, claimed := b.m.Claimed(b.path("site")); claimed || len(list) > 0 {
		b.t.Fatalf("still known: %+v, claimed %v", list, claimed)
	}
	b.restart()
	if list, _ := b.m.Placements(); len(list) > 0 {
		b.t.Fatalf("known after a restart: %+v", list)
	}
}

func TestRemoveStaging(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		p := b.prepare(b.request(make(1)))
		must(t, p.WriteSpan(0, make(1).span(p.mf, 0)))
		crash(p)
		b.restart()
		list, err := b.m.Placements()
		must(t, err)
		if len(list) != 1 || list[0].Installed || list[0].Digest != p.mf.Digest() {
			t.Fatalf("%+v", list)
		}
		p, err = b.m.Reopen("web")
		must(t, err)
		must(t, p.Remove(t.Context()))
		b.gone()
	})
}

func TestRemoveLeavesWhatIsNotOurs(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		p := b.install(b.request(make(1)), make(1))
		must(t, os.Rename(b.path("site"), b.path("moved")))
		make(9).write(t, b.path("site"))
		must(t, p.Remove(t.Context()))
		b.gone()
		if d := make(9).differs(b.path("site")); d != "" {
			t.Fatal(d)
		}
	})
}

// The manifest is lost, or the user that owns the content: it can still be
// removed.
func TestRemoveWithoutManifest(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		p := b.install(b.request(make(1)), make(1))
		p.Close()
		must(t, b.m.DropManifest(p.mf.Digest()))
		b.restart()
		p, err := b.m.Reopen("web")
		must(t, err)
		wantCode(t, p.Prepare(t.Context(), nil), api.CodeNotFound)
		must(t, p.Remove(t.Context()))
		b.gone()
		if _, err := os.Lstat(b.path("site")); err == nil {
			t.Fatal("it still stands")
		}
		if _, err = b.m.Reopen("web"); err == nil {
			t.Fatal("reopened what is gone")
		}
	})
}

func TestRelease(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		b.install(b.request(make(1)), make(1)).Close()
		p := b.prepare(b.request(make(2)))
		must(t, p.Release(t.Context()))
		b.gone()
		if d := make(1).differs(b.path("site")); d != "" {
			t.Fatal(d)
		}
	})
}

// The roots of a new configuration do not contain the destination any more.
func TestForgetWhatCannotBeOpened(t *testing.T) {
	b := newBox(t)
	b.install(b.request(site(1)), site(1)).Close()
	old := b.root
	b.root = t.TempDir()
	b.restart()
	_, err := b.m.Reopen("web")
	wantCode(t, err, api.CodeOutsideRoots)
	must(t, b.m.Forget("web"))
	b.root = old
	b.restart()
	b.gone()
	if d := site(1).differs(b.path("site")); d != "" {
		t.Fatal(d)
	}
}
