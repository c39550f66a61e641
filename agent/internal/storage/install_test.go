package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

func TestInstall(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		r := b.request(make(1))
		r.Path = b.path("deep/er/site")
		p := b.prepare(r)
		if p.Installed() || p.Have().Count() != 0 {
			t.Fatal("something is there before anything was written")
		}
		must(t, p.WriteSpan(0, make(1).span(p.mf, 0)))
		readAll(t, p, make(1)) // seeds while staging
		if err := p.Install(t.Context()); !errors.Is(err, ErrMissing) {
			t.Fatalf("incomplete content was installed: %v", err)
		}
		fill(t, p, make(1))
		must(t, p.Install(t.Context()))
		b.same(p, make(1))
		must(t, p.Install(t.Context()))
		drift, err := p.Check(t.Context(), true)
		if err != nil || len(drift.Missing)+len(drift.Changed)+len(drift.Mended) > 0 {
			t.Fatalf("drift right after the installation: %+v, %v", drift, err)
		}
		info, _ := os.Stat(b.path("deep/er"))
		if info.Mode().Perm() != 0o755 {
			t.Fatalf("parents have mode %v", info.Mode())
		}
	})
}

func TestInstallEmptyContent(t *testing.T) {
	for name, s := range map[string]sample{
		"tree": {kind: artifact.KindTree, dirs: []string{"d"}},
		"file": {kind: artifact.KindFile, files: map[string][]byte{"sample": {}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			b.install(b.request(s), s)
		})
	}
}

func TestRestartFindsInstalled(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		b.install(b.request(make(1)), make(1)).Close()
		b.restart()
		list, err := b.m.Placements()
		must(t, err)
		if len(list) != 1 || !list[0].Installed || list[0].Path != b.path("site") || list[0].Digest != make(1).manifest(t).Digest() {
			t.Fatalf("placements: %+v", list)
		}
		b.same(b.prepare(b.request(make(1))), make(1))
		b.restart()
		p, err := b.m.Reopen("web")
		must(t, err)
		must(t, p.Prepare(t.Context(), nil))
		b.same(p, make(1))
	})
}

func TestModesAndOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	b := newBox(t)
	s := site(1)
	r := b.request(s)
	r.Owner, r.Group, r.Mode = "12345", "daemon", "2711"
	p := b.install(r, s)
	check := func(name string, mode uint32) {
		t.Helper()
		var st syscall.Stat_t
		must(t, syscall.Lstat(filepath.Join(r.Path, name), &st))
		if st.Uid != 12345 || st.Gid != 1 || mode != 0 && st.Mode&0o7777 != mode {
			t.Fatalf("%s: owner %d:%d mode %o", name, st.Uid, st.Gid, st.Mode)
		}
	}
	check("", 0o2711)
	check("bin/tool", 0o4755)
	check("lib", 0o755)
	check("empty", 0o644)
	check("current", 0)

	// The same content with other attributes: nothing is fetched.
	p.Close()
	r.Owner, r.Mode = "12346", ""
	p = b.prepare(r)
	b.same(p, s)
	var st syscall.Stat_t
	must(t, syscall.Lstat(filepath.Join(r.Path, "bin/tool"), &st))
	if st.Uid != 12346 || st.Mode&0o7777 != 0o4755 {
		t.Fatalf("not mended: %+v", st)
	}
	if d, err := p.Check(t.Context(), false); err != nil || len(d.Mended) > 0 {
		t.Fatalf("mended twice: %+v, %v", d, err)
	}

	r.Owner = "no-such-user-here"
	_, err := b.m.Open(r)
	wantCode(t, err, api.CodeInvalid)
	r.Owner, r.Mode = "", "999"
	_, err = b.m.Open(r)
	wantCode(t, err, api.CodeInvalid)
}

func TestWrongBytesAreNotWritten(t *testing.T) {
	b := newBox(t)
	s := site(1)
	p := b.prepare(b.request(s))
	for span := range p.mf.NumSpans() {
		data := s.span(p.mf, span)
		data[len(data)-1] ^= 1
		var bad *BadPieceError
		if err := p.WriteSpan(span, data); !errors.As(err, &bad) || len(bad.Pieces) != 1 {
			t.Fatalf("span %d: %v", span, err)
		}
		last := p.mf.Span(span)
		if bad.Pieces[0] != int(last.FirstPiece+last.Pieces-1) {
			t.Fatalf("span %d: blames pieces %v", span, bad.Pieces)
		}
	}
	found, err := p.stage.content.scan(t.Context())
	must(t, err)
	for i, info := range found {
		if info != nil {
			t.Fatalf("%s was written", p.mf.Files()[i].Path)
		}
	}
	for _, bad := range []struct{ span, n int }{{-1, 0}, {p.mf.NumSpans(), 1}, {0, 1}} {
		if p.WriteSpan(bad.span, make([]byte, bad.n)) == nil {
			t.Fatalf("wrote %+v", bad)
		}
	}
}

func TestUpgradeReusesIdenticalFiles(t *testing.T) {
	b := newBox(t)
	b.install(b.request(site(1)), site(1)).Close()
	p := b.prepare(b.request(site(2)))
	if d := site(1).differs(b.path("site")); d != "" {
		t.Fatal("the old version does not stand during the transfer:", d)
	}
	fetched := fill(t, p, site(2))
	if fetched == 0 || fetched > 5 {
		t.Fatalf("%d of %d spans fetched", fetched, p.mf.NumSpans())
	}
	must(t, p.Install(t.Context()))
	b.same(p, site(2))
}

func TestUpgradeOfAFileReusesPieces(t *testing.T) {
	b := newBox(t)
	b.install(b.request(single(1)), single(1)).Close()
	p := b.prepare(b.request(single(2)))
	if n := fill(t, p, single(2)); n != 1 {
		t.Fatalf("%d spans fetched, want 1", n)
	}
	must(t, p.Install(t.Context()))
	b.same(p, single(2))
}

func TestDriftedOldVersionIsNotPropagated(t *testing.T) {
	b := newBox(t)
	b.install(b.request(site(1)), site(1)).Close()
	must(t, os.WriteFile(b.path("site/bin/tool"), blob(66, testPieceLength), 0o600))
	p := b.prepare(b.request(site(2)))
	fill(t, p, site(2))
	must(t, p.Install(t.Context()))
	b.same(p, site(2))
}

func TestReuseFromSources(t *testing.T) {
	b := newBox(t)
	published := filepath.Join(t.TempDir(), "pub")
	site(1).write(t, published)
	src, err := b.m.OpenSource(published, site(1).manifest(t))
	must(t, err)
	r := b.request(site(1))
	r.Sources = func() []Reader { return []Reader{src} }
	p := b.prepare(r)
	if n := fill(t, p, site(1)); n != 0 {
		t.Fatalf("%d spans fetched", n)
	}
	must(t, p.Install(t.Context()))
	b.same(p, site(1))
}

func TestKindChanges(t *testing.T) {
	b := newBox(t)
	b.install(b.request(site(1)), site(1)).Close()
	b.install(b.request(single(1)), single(1)).Close()
	b.install(b.request(site(2)), site(2))
}

func TestForeignContent(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		make(9).write(t, b.path("site"))
		p := b.open(b.request(make(1)))
		wantCode(t, p.Prepare(t.Context(), nil), api.CodeForeignContent)
		if d := make(9).differs(b.path("site")); d != "" {
			t.Fatal(d)
		}
		p.Close()
		for n, kept := range []string{"site.before-rackswarm", "site.before-rackswarm-1"} {
			if n > 0 {
				must(t, os.RemoveAll(b.path("site")))
				make(9).write(t, b.path("site"))
			}
			r := b.request(make(1))
			r.Overwrite = true
			p = b.prepare(r)
			if fill(t, p, make(1)) == p.mf.NumSpans() {
				t.Fatal("nothing of the foreign content was reused")
			}
			must(t, p.Install(t.Context()))
			b.same(p, make(1))
			if d := make(9).differs(b.path(kept)); n == 0 && d != "" {
				t.Fatal(kept, d)
			}
			must(t, p.Release(t.Context()))
		}
	})
}

func TestForeignAppearsDuringTransfer(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		p := b.prepare(b.request(make(1)))
		fill(t, p, make(1))
		make(9).write(t, b.path("site"))
		wantCode(t, p.Install(t.Context()), api.CodeForeignContent)
		if d := make(9).differs(b.path("site")); d != "" {
			t.Fatal(d)
		}
		must(t, os.RemoveAll(b.path("site")))
		must(t, p.Prepare(t.Context(), nil))
		if n := fill(t, p, make(1)); n != 0 {
			t.Fatalf("%d spans fetched again", n)
		}
		must(t, p.Install(t.Context()))
		b.same(p, make(1))
	})
}

func TestEmptyDirectoryIsNoContent(t *testing.T) {
	b := newBox(t)
	must(t, os.Mkdir(b.path("site"), 0o755))
	b.install(b.request(site(1)), site(1))
	if left, _ := filepath.Glob(b.path("site.*")); len(left) > 0 {
		t.Fatalf("kept %v", left)
	}
}

func TestAdoptsIdenticalContent(t *testing.T) {
	both(t, func(t *testing.T, make func(uint64) sample) {
		b := newBox(t)
		make(1).write(t, b.path("site"))
		var total int64
		p := b.open(b.request(make(1)))
		must(t, p.Prepare(t.Context(), func(_, all int64) { total = max(total, all) }))
		b.same(p, make(1))
		if total != int64(p.mf.Size()) {
			t.Fatalf("progress of %d bytes", total)
		}
		p.Close()
		// The state is lost, then the content is found again.
		must(t, os.RemoveAll(b.state))
		b.restart()
		b.same(b.prepare(b.request(make(1))), make(1))
	})
}

func TestAdoptsOnlyExactContent(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"extra file": func(d string) error { return os.WriteFile(d+"/lib/extra", nil, 0o600) },
		"other link": func(d string) error {
			return errors.Join(os.Remove(d+"/current"), os.Symlink("lib/b", d+"/current"))
		},
		"missing directory": func(d string) error { return os.RemoveAll(d + "/spool") },
		"file for link":     func(d string) error { return errors.Join(os.Remove(d+"/abs"), os.WriteFile(d+"/abs", nil, 0o600)) },
		"one byte":          func(d string) error { return os.WriteFile(d+"/VERSION", []byte("v2\n"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			site(1).write(t, b.path("site"))
			must(t, spoil(b.path("site")))
			wantCode(t, b.open(b.request(site(1))).Prepare(t.Context(), nil), api.CodeForeignContent)
		})
	}
}

func TestCancel(t *testing.T) {
	b := newBox(t)
	b.install(b.request(site(1)), site(1)).Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := b.open(b.request(site(2)))
	if err := p.Prepare(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	must(t, p.Prepare(t.Context(), nil))
}

func TestStagingIsLocked(t *testing.T) {
	b := newBox(t)
	first := b.prepare(b.request(site(1)))
	b.restart()
	second := b.open(b.request(site(1)))
	wantCode(t, second.Prepare(t.Context(), nil), api.CodeConflict)
	first.Close()
	must(t, second.Prepare(t.Context(), nil))
}
