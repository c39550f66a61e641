package storage

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// collect is what an hour later can go, by name.
func (b *box) collect(n Needed, dry bool) map[string]int64 {
	b.t.Helper()
	if n.Before.IsZero() {
		n.Before = time.Now().Add(time.Hour)
	}
	items, err := b.m.Collect(b.t.Context(), n, dry)
	must(b.t, err)
	found := map[string]int64{}
	for _, item := range items {
		if item.Reason == "" || !filepath.IsAbs(item.Path) {
			b.t.Fatalf("%+v", item)
		}
		found[filepath.Base(item.Path)] = item.Bytes
	}
	return found
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// Stagings that belong to no placement go, if this agent made them, nobody works
// in them and nobody touched them lately; and manifests of nothing.
func TestCollect(t *testing.T) {
	b := newBox(t)
	b.install(b.request(site(1)), site(1)).Close()
	p, _ := b.replace(site(2))
	p.Close()

	lost := b.request(site(3))
	lost.ID, lost.Path = "lost", b.path("deep/lost")
	q := b.prepare(lost)
	fill(t, q, site(3))
	must(t, q.Stage(t.Context()))
	must(t, b.m.Forget("lost"))
	digests := map[artifact.Digest]bool{site(1).manifest(t).Digest(): true, site(2).manifest(t).Digest(): true}
	n := Needed{Digests: digests, Paths: []string{b.path("deep/lost")}}
	if got := b.collect(n, false); len(got) != 1 { // the manifest
		t.Fatalf("while somebody works there: %v", got)
	}
	q.Close()
	must(t, b.m.SaveManifest(site(3).manifest(t)))

	kept := n
	kept.IDs = map[string]bool{"lost": true}
	kept.Digests = map[artifact.Digest]bool{site(3).manifest(t).Digest(): true, site(1).manifest(t).Digest(): true}
	if got := b.collect(kept, false); len(got) != 0 {
		t.Fatalf("a distribution needs it: %v", got)
	}
	fresh := n
	fresh.Before = time.Now().Add(-time.Minute)
	if got := b.collect(fresh, false); len(got) != 0 {
		t.Fatalf("a task may have just begun: %v", got)
	}
	other := newBox(t)
	other.root = b.root
	other.restart()
	if got := other.collect(Needed{Paths: n.Paths}, false); len(got) != 0 {
		t.Fatalf("it is another agent's: %v", got)
	}
	clone, err := New(Options{Roots: []string{b.root}, StateDir: copyOf(t, b.state), Node: "another"})
	must(t, err)
	other.m = clone
	if _, takes := other.collect(Needed{Paths: n.Paths}, false)[".rackswarm-lost"]; takes {
		t.Fatal("it is the agent's whose state was copied")
	}
	dry := b.collect(n, true)
	if len(dry) != 2 || dry[".rackswarm-lost"] < 100_000 {
		t.Fatalf("to be collected: %v", dry)
	}
	if got := b.collect(n, false); len(got) != 2 {
		t.Fatalf("collected: %v", got)
	}
	if got := b.collect(n, false); len(got) != 0 {
		t.Fatalf("again: %v", got)
	}
	if _, err := os.Lstat(b.path("deep/.rackswarm-lost")); err == nil {
		t.Fatal("it is still there")
	}
	b.restart()
	p = b.prepare(b.request(site(2)))
	b.stands(p, site(2), site(1))
}

// What was to be dropped is not what stands by any more: another switch has kept
// the version that it replaced.
func TestDropKeptOfAnotherVersion(t *testing.T) {
	b := newBox(t)
	b.install(b.request(site(1)), site(1)).Close()
	old, _ := b.replace(site(2))
	p, _ := b.replace(site(3))
	if gone, err := old.DropKept(t.Context(), site(1).manifest(t).Digest()); gone || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	b.stands(p, site(3), site(2))
	if gone, err := old.DropKept(t.Context(), site(2).manifest(t).Digest()); !gone || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	if d, _ := p.Kept(); d != nil {
		t.Errorf("%v is still kept", d)
	}
}

// A directory that cannot be marked is as good as any other: what stands can be
// removed although the disk is full, or just then.
func TestRemoveFromAFullDisk(t *testing.T) {
	b := smallDisk(t, "size=4m,nr_inodes=300")
	p := b.install(b.request(site(1)), site(1))
	eat(t, b.root+"/other")
	must(t, p.Remove(t.Context()))
	if _, err := os.Lstat(b.path("site")); err == nil {
		t.Error("it is still there")
	}
}
