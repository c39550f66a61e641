package reconcile

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// on returns a distribution of the artifact to one node, at a path of its root.
func (n *node) on(name, digest string) api.Distribution {
	return api.Distribution{Name: name, Digest: digest, Path: n.path(name),
		Selector: api.Selector{NodeNames: []string{n.api.Name}}}
}

func mustStand(t *testing.T, n *node, path string, want files) {
	t.Helper()
	if got := at(t, path); !maps.Equal(got, want) {
		t.Errorf("%s: %s holds %d files, not the %d that are wanted", n.api.Name, path, len(got), len(want))
	}
}

func TestPlaceAndUpdate(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	one := bigFiles(6, "first")
	m := seed.publish(one, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	s := web.untilInstalled(d)
	mustStand(t, web, d.Path, one)
	if s.BytesDone != int64(m.Size()) || s.BytesTotal != int64(m.Size()) || s.InstalledAt == nil || s.StartedAt == nil {
		t.Errorf("status of a finished placement: %+v", s)
	}
	if received := s.Received.ByLevel[0]; received != int64(m.Size()) {
		t.Errorf("received %d bytes, want all %d", received, m.Size())
	}

	two := maps.Clone(one)
	two["dir0/file0"] = strings.Repeat("changed ", 5000)
	two["new"] = "a new file"
	delete(two, "README")
	next := seed.publish(two, "site", publisher)
	d.Digest = next.Digest().String()
	d = f.want(d)
	s = web.untilInstalled(d)
	mustStand(t, web, d.Path, two)
	if s.BytesReused == 0 || s.Received.ByLevel[0]+s.BytesReused != int64(next.Size()) {
		t.Errorf("reused %d and received %d of %d bytes", s.BytesReused, s.Received.ByLevel[0], next.Size())
	}
	f.eventually("the manifest of the version before is dropped", func() bool {
		_, err := web.storage.Manifest(m.Digest())
		return err != nil
	})
}

func TestNodeThatJoinsLater(t *testing.T) {
	f := newFleet(t)
	seed, first := f.add("seed"), f.add("first", "role=web")
	tree := bigFiles(3, "content")
	m := seed.publish(tree, "site", publisher)
	root := first.root
	d := f.want(api.Distribution{Name: "site", Digest: m.Digest().String(), Path: filepath.Join(root, "site"),
		Selector: api.Selector{Labels: map[string]string{"role": "web"}}})
	first.untilInstalled(d)
	f.eventually("nobody seeds what nobody needs", func() bool {
		return !first.swarm.joined(m.Digest()) && !seed.swarm.joined(m.Digest())
	})

	// The seed is gone: a node that finished earlier gives it all.
	seed.stop()
	late := f.add("late", "role=web")
	late.stop()
	late.root = t.TempDir()
	first.f.want(d) // a generation that changes nothing for the first
	late.api.Labels["role"] = "other"
	late.start()
	moved := f.net.moved()
	e := f.want(late.on("late", m.Digest().String()))
	late.untilInstalled(e)
	mustStand(t, late, e.Path, tree)
	if f.net.moved() == moved {
		t.Error("nothing moved to the node that joined late")
	}
	if s := first.untilInstalled(api.Distribution{Name: "site", Digest: d.Digest, Generation: d.Generation + 1}); s.Repaired != 0 {
		t.Errorf("the first node repaired %d times", s.Repaired)
	}
}

func TestArtifactPublishedLater(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(1, "content")
	m := tree.manifest(t, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilFailed("site", api.CodeNotFound)
	seed.publish(tree, "site", publisher)
	web.untilInstalled(d)
}

func TestGenerationThatChangesNothingHereKeepsTheTransfer(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(5, "content")
	m := seed.publish(tree, "site", publisher)
	f.net.stopAfter(2)
	d := f.want(web.on("site", m.Digest().String()))
	f.eventually("it has begun", func() bool { return f.net.moved() == 2 })
	d.Selector.NodeNames = append(d.Selector.NodeNames, "another")
	d = f.want(d)
	f.eventually("the node knows of it", func() bool {
		known, _ := web.r.state.loadDesired()
		return len(known.Distributions) == 1 && known.Distributions[0].Generation == d.Generation
	})
	f.net.block(false)
	web.untilInstalled(d)
	if n := web.swarm.joins(m.Digest()); n != 1 {
		t.Errorf("the node joined the transfer %d times", n)
	}
}

func TestWriteThatFailsIsTriedAgain(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(5, "content")
	m := seed.publish(tree, "site", publisher)
	f.net.stopAfter(1)
	d := f.want(web.on("site", m.Digest().String()))
	f.eventually("it has begun", func() bool { return f.net.moved() == 1 })
	staging, err := filepath.Glob(filepath.Join(web.root, ".rackswarm-*"))
	if err != nil || len(staging) != 1 {
		t.Fatalf("staging directories: %v, %v", staging, err)
	}
	if err := os.RemoveAll(staging[0]); err != nil {
		t.Fatal(err)
	}
	f.net.block(false)
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
}

func TestTreeOfEmptyFiles(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := files{"a": "", "b/c": ""}
	d := f.want(web.on("site", seed.publish(tree, "site", publisher).Digest().String()))
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
}
