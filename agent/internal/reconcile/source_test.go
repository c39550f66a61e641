package reconcile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

func TestSourceChangedInPlaceIsWithdrawn(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(3, "content")
	m := seed.publish(tree, "site", publisher)
	var dir string
	for _, s := range seed.r.state.loadSources() {
		dir = s.Path
	}
	if err := os.WriteFile(filepath.Join(dir, "dir0/file0"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.want(web.on("site", m.Digest().String()))
	f.eventually("the seed has less to give", func() bool {
		have, ok := seed.swarm.have(m.Digest())
		return ok && have.Len() > 0 && !have.Full()
	})
	if s := web.status("site"); s.Phase == api.PhaseInstalled {
		t.Errorf("content that changed was installed: %+v", s)
	}
	changed := filepath.Join(dir, "dir0/file0")
	f.eventually("the artifact's record names the file", func() bool {
		return f.troubleOf(m) == "seed: "+changed
	})
	if err := os.Remove(changed); err != nil {
		t.Fatal(err)
	}
	seed.restart()
	f.eventually("a file that is gone is named", func() bool { return f.troubleOf(m) == "seed: "+changed })
	tree.write(t, dir)
	f.eventually("what is right again is no trouble", func() bool { return f.troubleOf(m) == "" })
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	f.eventually("a source that is gone is named", func() bool { return f.troubleOf(m) != "" })
	seed.restart()
	f.eventually("it still is", func() bool { return f.troubleOf(m) != "" })
	tree.write(t, dir)
	if err := seed.r.AddSource(context.Background(), dir, m); err != nil {
		t.Fatal(err)
	}
	f.eventually("published again it is no trouble", func() bool { return f.troubleOf(m) == "" })
}

// troubleOf is what the store has of the artifact's troubles: node and subject.
func (f *fleet) troubleOf(m *artifact.Manifest) string {
	f.t.Helper()
	a, err := f.store.Artifact(context.Background(), m.Digest().String())
	if err != nil {
		f.t.Fatal(err)
	}
	var all []string
	for _, s := range a.Troubles {
		all = append(all, s.Node+": "+s.Error.Subject)
	}
	return strings.Join(all, ", ")
}

func TestSourceRemovedIsNotServed(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	m := seed.publish(bigFiles(1, "content"), "site", publisher)
	seed.r.RemoveSource(m.Digest())
	d := f.want(web.on("site", m.Digest().String()))
	web.until("site", "waiting", func(s api.NodeStatus) bool { return s.Phase == api.PhaseManifest })
	f.eventually("its manifest is dropped", func() bool {
		_, err := seed.storage.Manifest(m.Digest())
		return isNotFound(err)
	})
	seed.restart()
	time.Sleep(50 * time.Millisecond)
	if seed.swarm.joined(m.Digest()) {
		t.Error("a source that was removed is served after a restart")
	}
	mustStand(t, web, d.Path, nil)
}

func TestSourceIsServedAgainAfterRestart(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(2, "content")
	m := seed.publish(tree, "site", publisher)
	seed.restart()
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
}

func TestSourcePublishedAgain(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(2, "content")
	m := seed.publish(tree, "site", publisher)
	dir := seed.r.state.loadSources()[0].Path
	tree.write(t, dir) // the same content with other times
	if err := seed.r.AddSource(context.Background(), dir, m); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "site")
	tree.write(t, elsewhere)
	if err := seed.r.AddSource(context.Background(), elsewhere, m); err != nil {
		t.Fatal(err)
	}
	if list := seed.r.state.loadSources(); len(list) != 1 || list[0].Path != elsewhere {
		t.Errorf("sources are %v, want the newest path only", list)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
}

func TestAddSourceAfterTheEnd(t *testing.T) {
	f := newFleet(t)
	seed := f.add("seed")
	tree := files{"a": "b"}
	dir := t.TempDir()
	tree.write(t, dir)
	seed.stop()
	if err := seed.r.AddSource(context.Background(), dir, tree.manifest(t, "site", publisher)); !errors.Is(err, ErrStopped) {
		t.Errorf("error is %v, want ErrStopped", err)
	}
}

func TestManifestOfARemovedSourceStaysForAPlacement(t *testing.T) {
	f := newFleet(t)
	seed := f.add("seed")
	tree := bigFiles(1, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(seed.on("site", m.Digest().String()))
	seed.untilInstalled(d)
	seed.r.RemoveSource(m.Digest())
	f.eventually("the source is forgotten", func() bool { return len(seed.r.state.loadSources()) == 0 })
	if err := os.Remove(filepath.Join(d.Path, "README")); err != nil {
		t.Fatal(err)
	}
	seed.until("site", "drifted", func(s api.NodeStatus) bool { return s.Drifted })
	if _, err := seed.storage.Manifest(m.Digest()); err != nil {
		t.Errorf("the manifest of what stands: %v", err)
	}
}

func TestTargetThatHoldsTheSourceCopiesIt(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(4, "content")
	m := seed.publish(tree, "site", publisher)
	other := f.want(web.on("other", m.Digest().String()))
	web.untilInstalled(other)
	moved := f.net.moved()

	d := f.want(seed.on("site", m.Digest().String()))
	seed.copiedLocally(d, m, tree)
	// After a restart the source is opened while the distribution is placed.
	seed.stop()
	again := f.want(seed.on("again", m.Digest().String()))
	if err := os.RemoveAll(d.Path); err != nil {
		t.Fatal(err)
	}
	seed.start()
	seed.copiedLocally(again, m, tree)
	seed.copiedLocally(d, m, tree)
	if got := f.net.moved(); got != moved {
		t.Errorf("%d spans moved to a node that holds the source", got-moved)
	}
}

func (n *node) copiedLocally(d api.Distribution, m *artifact.Manifest, tree files) {
	n.f.t.Helper()
	s := n.untilInstalled(d)
	mustStand(n.f.t, n, d.Path, tree)
	got := s.Received.Seeder + s.Received.Duplicate
	for _, n := range s.Received.ByLevel {
		got += n
	}
	if got != 0 || s.BytesReused != int64(m.Size()) {
		n.f.t.Errorf("%s received %d bytes and reused %d of %d", d.Name, got, s.BytesReused, m.Size())
	}
}
