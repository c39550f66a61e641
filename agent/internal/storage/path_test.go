package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestDestinationsThatAreRefused(t *testing.T) {
	b := newBox(t)
	outside := t.TempDir()
	must(t, os.Symlink(outside, b.path("out")))
	must(t, os.Symlink("../"+filepath.Base(outside), b.path("relative-out")))
	must(t, os.Symlink("inside", b.path("in")))
	must(t, os.WriteFile(b.path("file"), nil, 0o600))
	for path, code := range map[string]string{
		"site":                      api.CodeInvalid, // relative
		outside + "/x":              api.CodeOutsideRoots,
		b.root:                      api.CodeOutsideRoots,
		b.root + "x/y":              api.CodeOutsideRoots,
		b.path("out/x"):             api.CodeOutsideRoots,
		b.path("out/not/there/yet"): api.CodeOutsideRoots,
		b.path("relative-out/x"):    api.CodeOutsideRoots,
		b.root + "/../../etc/x":     api.CodeOutsideRoots,
		b.root + "/a/../b":          api.CodeInvalid,
		b.root + "/a/":              api.CodeInvalid,
		b.path(".rackswarm-x/y"):    api.CodeInvalid,
		b.path("in"):                api.CodeInvalid, // itself a link
		b.path("nul\x00"):           api.CodeInvalid,
		b.path("file/below"):        api.CodeIO,
	} {
		t.Run(path, func(t *testing.T) {
			r := b.request(site(1))
			r.Path = path
			p, err := b.m.Open(r)
			if err == nil {
				err = p.Prepare(t.Context(), nil)
				p.Close()
			}
			e := wantCode(t, err, code)
			if e.Subject != path || code == api.CodeOutsideRoots && !strings.Contains(e.Message+e.Fix, b.root) {
				t.Fatalf("%+v does not name path and roots", e)
			}
		})
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Fatal("something was written outside")
	}
}

func TestLinksInsideARootAreFollowed(t *testing.T) {
	b := newBox(t)
	must(t, os.Mkdir(b.path("real"), 0o755))
	must(t, os.Symlink("real", b.path("alias")))
	r := b.request(site(1))
	r.Path = b.path("alias/site")
	b.install(r, site(1))
	if d := site(1).differs(b.path("real/site")); d != "" {
		t.Fatal(d)
	}
	if id, ok := b.m.Claimed(b.path("real/site/below")); !ok || id != "web" {
		t.Fatal("the claim does not follow links")
	}
}

func TestRootBehindALink(t *testing.T) {
	real, link := t.TempDir(), filepath.Join(t.TempDir(), "srv")
	must(t, os.Symlink(real, link))
	m, err := New(Options{Roots: []string{link}, StateDir: t.TempDir()})
	must(t, err)
	b := &box{t: t, root: link, m: m}
	b.install(b.request(site(1)), site(1))

	_, err = New(Options{Roots: []string{"/no/such/root"}, StateDir: t.TempDir()})
	wantCode(t, err, api.CodeInvalid)
	_, err = New(Options{Roots: []string{"relative"}, StateDir: t.TempDir()})
	wantCode(t, err, api.CodeInvalid)
}

// A link that appears between Open and Prepare is stopped by os.Root.
func TestLinkAppearsLater(t *testing.T) {
	b := newBox(t)
	outside := t.TempDir()
	r := b.request(site(1))
	r.Path = b.path("dir/site")
	p := b.open(r)
	must(t, os.Symlink(outside, b.path("dir")))
	wantCode(t, p.Prepare(t.Context(), nil), api.CodeOutsideRoots)
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Fatal("something was written outside")
	}
}

func TestClaims(t *testing.T) {
	b := newBox(t)
	r := b.request(site(1))
	r.Path = b.path("a/b")
	p := b.open(r)
	for path, want := range map[string]bool{"a": true, "a/b": true, "a/b/c": true, "a/bc": false, "a/c": false, "b": false} {
		if id, got := b.m.Claimed(b.path(path)); got != want || got && id != "web" {
			t.Errorf("Claimed(%s) = %q, %v", path, id, got)
		}
		other := Request{ID: "other", Path: b.path(path), Manifest: r.Manifest}
		q, err := b.m.Open(other)
		if want {
			wantCode(t, err, api.CodeConflict)
		} else {
			must(t, err)
			q.Close()
		}
	}
	moved := r
	moved.Path = b.path("elsewhere")
	_, err := b.m.Open(moved)
	wantCode(t, err, api.CodeConflict)
	p.Close()
	if id, ok := b.m.Claimed(b.path("a")); ok {
		t.Fatalf("%s still claims it", id)
	}
	b.install(r, site(1))
	b.restart()
	if _, ok := b.m.Claimed(b.path("a/b/c")); !ok {
		t.Fatal("the claim is lost with a restart")
	}
}

func TestMountPoints(t *testing.T) {
	b := newBox(t)
	must(t, os.MkdirAll(b.path("mnt ed"), 0o755))
	mountTmpfs(t, b.path("mnt ed"), "size=1m")
	r := b.request(site(1))
	r.Path = b.path("mnt ed")
	_, err := b.m.Open(r)
	if e := wantCode(t, err, api.CodeInvalid); !strings.Contains(e.Message, "mount point") {
		t.Fatal(e)
	}
	// Below the destination: found before anything is swapped or removed.
	r.Path = b.path("site")
	p := b.install(r, site(1))
	mountTmpfs(t, b.path("site/spool/in"), "size=1m")
	must(t, os.WriteFile(b.path("site/spool/in/precious"), nil, 0o600))
	wantCode(t, p.Remove(t.Context()), api.CodeInvalid)
	_, err = b.m.Open(r)
	wantCode(t, err, api.CodeInvalid)
	if _, err := os.Stat(b.path("site/spool/in/precious")); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveAllStaysOnItsMount(t *testing.T) {
	b := newBox(t)
	must(t, os.MkdirAll(b.path("dir/mnt"), 0o755))
	mountTmpfs(t, b.path("dir/mnt"), "size=1m")
	must(t, os.WriteFile(b.path("dir/mnt/precious"), nil, 0o600))
	root, err := os.OpenRoot(b.root)
	must(t, err)
	if err := removeAll(t.Context(), root, "dir"); !errors.Is(err, syscall.EBUSY) {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.path("dir/mnt/precious")); err != nil {
		t.Fatal(err)
	}
}

func mountTmpfs(t testing.TB, at, options string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a tmpfs")
	}
	if err := syscall.Mount("rackswarm-test", at, "tmpfs", 0, options); errors.Is(err, syscall.EPERM) {
		t.Skip("needs CAP_SYS_ADMIN to mount a tmpfs")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(at, syscall.MNT_DETACH) })
}

func TestSafeNames(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"web", "web.1", "a b", "a_b", "a/b", "../x", "..", ".", "ä", strings.Repeat("x", 300), strings.Repeat("x", 301)} {
		name := safeName(id)
		if other, dup := seen[name]; dup {
			t.Errorf("%q and %q share %q", id, other, name)
		}
		seen[name] = id
		if name != filepath.Base(name) || strings.HasPrefix(name, ".") || len(name) > 200 {
			t.Errorf("%q becomes %q", id, name)
		}
	}
	if safeName("web") != "web" {
		t.Error("a plain name is not kept")
	}
}
