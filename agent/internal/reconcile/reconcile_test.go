package reconcile

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
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

func TestLostAndChangedFilesAreRepaired(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(6, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)

	if err := os.Remove(filepath.Join(d.Path, "dir1/file1")); err != nil {
		t.Fatal(err)
	}
	web.until("site", "repaired", func(s api.NodeStatus) bool { return s.Repaired >= 1 && !s.Drifted })
	mustStand(t, web, d.Path, tree)

	if err := os.WriteFile(filepath.Join(d.Path, "dir2/file2"), []byte("vandalism"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := web.until("site", "repaired again", func(s api.NodeStatus) bool { return s.Repaired >= 2 && !s.Drifted })
	mustStand(t, web, d.Path, tree)
	if s.BytesReused != 0 {
		t.Errorf("a repair counts %d bytes as reused", s.BytesReused)
	}

	if err := os.RemoveAll(d.Path); err != nil {
		t.Fatal(err)
	}
	f.eventually("the whole tree is back", func() bool { return maps.Equal(at(t, d.Path), tree) })
	web.until("site", "installed again", func(s api.NodeStatus) bool {
		return s.Repaired >= 3 && s.Phase == api.PhaseInstalled && !s.Drifted
	})
}

func TestDriftIsReportedWhileItLasts(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(3, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	f.net.block(true)
	if err := os.Remove(filepath.Join(d.Path, "README")); err != nil {
		t.Fatal(err)
	}
	web.until("site", "drifted", func(s api.NodeStatus) bool { return s.Drifted && s.Installed == "" })
	f.net.block(false)
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
}

func TestVerifyHashesEverything(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(3, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	err := f.store.UpdateDistributions(context.Background(), func(all map[string]api.Distribution) ([]api.Distribution, []string, error) {
		next := all["site"]
		next.VerifyGeneration++
		return []api.Distribution{next}, nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	web.until("site", "verified", func(s api.NodeStatus) bool { return s.Verified == 1 && s.Phase == api.PhaseInstalled })
}

func TestUntrustedPublisherIsRefusedBeforeAnythingIsFetched(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	m := seed.publish(bigFiles(1, "content"), "site", stranger)
	d := f.want(web.on("site", m.Digest().String()))
	e := web.untilFailed("site", api.CodeUntrusted)
	if want := recordOf(m).Publisher; !strings.Contains(e.Message, want) || e.Fix == "" {
		t.Errorf("error %+v does not name the publisher %s and a fix", e, want)
	}
	if web.swarm.joined(m.Digest()) {
		t.Error("the node joined the transfer of an artifact that it does not trust")
	}
	mustStand(t, web, d.Path, nil)

	signed := bigFiles(1, "content").manifest(t, "site", publisher)
	if err := f.store.PutArtifact(context.Background(), recordOf(signed)); err != nil {
		t.Fatal(err)
	}
	// The record is signed by a trusted publisher now, the manifest of the peer
	// is not: what was signed is the digest, which it has.
	d = f.want(d)
	web.untilInstalled(d)
	kept, err := web.storage.Manifest(m.Digest())
	if err != nil || kept.Verify(web.trust) != nil {
		t.Errorf("the manifest that others fetch from here: %v", errors.Join(err, kept.Verify(web.trust)))
	}
}

func TestConflictNamesTheOther(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(1, "content")
	m := seed.publish(tree, "site", publisher)
	first := f.want(web.on("first", m.Digest().String()))
	web.untilInstalled(first)
	second := web.on("second", m.Digest().String())
	second.Path = filepath.Join(first.Path, "dir0")
	second = f.want(second)
	if e := web.untilFailed("second", api.CodeConflict); !strings.Contains(e.Message, "first") || e.Subject != second.Path {
		t.Errorf("error %+v does not name the other distribution and the path", e)
	}
	mustStand(t, web, first.Path, tree)
	f.deleteRecord("first")
	second.Path = web.path("second")
	web.untilInstalled(f.want(second))
}

func TestForeignContentStays(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(2, "content")
	m := seed.publish(tree, "site", publisher)
	foreign := files{"precious": "not ours"}
	d := web.on("site", m.Digest().String())
	foreign.write(t, d.Path)
	d = f.want(d)
	web.untilFailed("site", api.CodeForeignContent)
	mustStand(t, web, d.Path, foreign)
	d.Overwrite = true
	d = f.want(d)
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
}

func TestOutsideRootsIsRefused(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	m := seed.publish(bigFiles(1, "content"), "site", publisher)
	d := web.on("site", m.Digest().String())
	d.Path = filepath.Join(t.TempDir(), "site")
	f.want(d)
	if e := web.untilFailed("site", api.CodeOutsideRoots); e.Fix == "" {
		t.Errorf("error %+v names no fix", e)
	}
	mustStand(t, web, d.Path, nil)
}

func TestRemoval(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(3, "content")
	m := seed.publish(tree, "site", publisher)
	gone, kept := f.want(web.on("gone", m.Digest().String())), f.want(web.on("kept", m.Digest().String()))
	web.untilInstalled(gone)
	web.untilInstalled(kept)

	gone.State = api.StateAbsent
	gone = f.want(gone)
	s := web.until("gone", "removed", func(s api.NodeStatus) bool { return s.Phase == api.PhaseRemoved })
	if s.Generation != gone.Generation || s.Installed != "" {
		t.Errorf("status after removal: %+v", s)
	}
	mustStand(t, web, gone.Path, nil)
	f.deleteRecord("gone")
	f.deleteRecord("kept")
	f.eventually("both are forgotten", func() bool {
		entries, err := os.ReadDir(filepath.Join(web.state, "reconcile", "placements"))
		return err == nil && len(entries) == 0
	})
	mustStand(t, web, kept.Path, tree)

	gone.State = api.StatePresent
	gone = f.want(gone)
	web.untilInstalled(gone)
	mustStand(t, web, gone.Path, tree)
}

func TestRemovalOfWhatWasNeverThere(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	m := seed.publish(bigFiles(1, "content"), "site", publisher)
	d := web.on("site", m.Digest().String())
	d.State = api.StateAbsent
	f.want(d)
	web.until("site", "removed", func(s api.NodeStatus) bool { return s.Phase == api.PhaseRemoved })
}

func TestSelectorThatNoLongerMatchesRetains(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web", "role=web")
	tree := bigFiles(2, "content")
	m := seed.publish(tree, "site", publisher)
	d := web.on("site", m.Digest().String())
	d.Selector = api.Selector{Labels: map[string]string{"role": "web"}}
	d = f.want(d)
	web.untilInstalled(d)
	d.Selector.Labels = map[string]string{"role": "db"}
	d = f.want(d)
	record := filepath.Join(web.state, "reconcile", "placements", "site.json")
	f.eventually("the placement is forgotten", func() bool {
		_, err := os.Stat(record)
		return os.IsNotExist(err)
	})
	mustStand(t, web, d.Path, tree)

	// Selected again, it adopts what stands.
	moved := f.net.moved()
	d.Selector = api.Selector{}
	d.Selector.NodeNames = []string{"web"}
	web.untilInstalled(f.want(d))
	if f.net.moved() != moved {
		t.Error("content that stood was fetched again")
	}
}

func TestMoveToAnotherPathReuses(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(3, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	moved, old := f.net.moved(), d.Path
	d.Path = web.path("elsewhere/site")
	d = f.want(d)
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
	mustStand(t, web, old, nil)
	if f.net.moved() != moved {
		t.Error("content that stood at the other path was fetched again")
	}
}

func TestTwoDistributionsOfOneArtifactFetchOnce(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(5, "content")
	m := seed.publish(tree, "site", publisher)
	a, b := f.want(web.on("a", m.Digest().String())), f.want(web.on("b", m.Digest().String()))
	web.untilInstalled(a)
	web.untilInstalled(b)
	mustStand(t, web, a.Path, tree)
	mustStand(t, web, b.Path, tree)
	if got := f.net.moved(); got != m.NumSpans() {
		t.Errorf("%d spans moved for two placements of %d spans", got, m.NumSpans())
	}
}

func TestDistributionsOfDifferentArtifactsShareFiles(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	one := bigFiles(5, "content")
	a := f.want(web.on("a", seed.publish(one, "one", publisher).Digest().String()))
	web.untilInstalled(a)
	two := maps.Clone(one)
	two["own"] = strings.Repeat("of the second ", 100)
	delete(two, "README")
	m := seed.publish(two, "two", publisher)
	moved := f.net.moved()
	b := f.want(web.on("b", m.Digest().String()))
	web.untilInstalled(b)
	mustStand(t, web, a.Path, one)
	mustStand(t, web, b.Path, two)
	if got := f.net.moved() - moved; got > 2 {
		t.Errorf("%d of %d spans moved for one file that is new", got, m.NumSpans())
	}

	f.net.block(true)
	if err := os.RemoveAll(filepath.Join(b.Path, "dir0")); err != nil {
		t.Fatal(err)
	}
	f.eventually("it is repaired from the other", func() bool { return maps.Equal(at(t, b.Path), two) })
}

func TestRestartInEachPhase(t *testing.T) {
	for _, c := range []struct {
		phase api.Phase
		block func(f *fleet, on bool)
	}{
		{api.PhaseManifest, nil},
		{api.PhaseFetching, func(f *fleet, on bool) { f.net.block(on) }},
		{api.PhaseInstalled, nil},
	} {
		t.Run(string(c.phase), func(t *testing.T) {
			f := newFleet(t)
			seed, web := f.add("seed"), f.add("web")
			tree := bigFiles(5, "content")
			m := seed.publish(tree, "site", publisher)
			if c.phase == api.PhaseManifest {
				seed.stop()
			}
			if c.block != nil {
				c.block(f, true)
			}
			d := f.want(web.on("site", m.Digest().String()))
			web.until("site", "in the phase", func(s api.NodeStatus) bool { return s.Phase == c.phase })
			web.restart()
			if c.block != nil {
				c.block(f, false)
			}
			if seed.cancel == nil {
				seed.start()
			}
			s := web.untilInstalled(d)
			mustStand(t, web, d.Path, tree)
			if s.Repaired != 0 || s.StartedAt == nil || s.InstalledAt == nil {
				t.Errorf("status after the restart: %+v", s)
			}
			if got := f.net.moved(); got != m.NumSpans() {
				t.Errorf("%d spans moved for %d", got, m.NumSpans())
			}
		})
	}
}

func TestRestartFetchesOnlyWhatIsMissing(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(12, "content")
	m := seed.publish(tree, "site", publisher)
	f.net.stopAfter(m.NumSpans() / 2)
	d := f.want(web.on("site", m.Digest().String()))
	f.eventually("half of it moved", func() bool { return f.net.moved() >= m.NumSpans()/2 })
	web.restart()
	f.net.stopAfter(-1)
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
	if got := f.net.moved(); got != m.NumSpans() {
		t.Errorf("%d spans moved, want each of %d once", got, m.NumSpans())
	}
}

func TestDeletedWhileDown(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(2, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	web.stop()
	f.deleteRecord("site")
	web.start()
	f.eventually("it is forgotten", func() bool {
		_, err := os.Stat(filepath.Join(web.state, "reconcile", "placements", "site.json"))
		return os.IsNotExist(err)
	})
	mustStand(t, web, d.Path, tree)
}

func TestStoreDownInTheMiddle(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(8, "content")
	m := seed.publish(tree, "site", publisher)
	f.net.stopAfter(2)
	d := f.want(web.on("site", m.Digest().String()))
	web.until("site", "fetching", func(s api.NodeStatus) bool { return s.Phase == api.PhaseFetching })
	f.stopStore()
	f.net.stopAfter(-1)
	f.eventually("it stands although the store is down", func() bool { return maps.Equal(at(t, d.Path), tree) })
	f.startStore()
	web.untilInstalled(d)
}

func TestStoreDownAtStart(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(8, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	web.stop()
	f.stopStore()
	if err := os.Remove(filepath.Join(d.Path, "README")); err != nil {
		t.Fatal(err)
	}
	web.start()
	f.eventually("damage is noticed although the store is down", func() bool { return web.swarm.joined(m.Digest()) })
	f.startStore()
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
}

func TestNodeRegistersAndSignsOff(t *testing.T) {
	f := newFleet(t)
	web := f.add("web", "role=web")
	alive := func() bool {
		nodes, err := f.store.Nodes(context.Background())
		return err == nil && len(nodes) == 1 && nodes[0].Alive && nodes[0].Labels["role"] == "web" && !nodes[0].LastSeen.IsZero()
	}
	f.eventually("the node is there", alive)
	web.stop()
	if alive() {
		t.Error("the node is alive after a clean shutdown")
	}
}

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

func TestNoSpaceIsSaidBeforeTheFirstByte(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	// Eight TiB of zeros: its manifest is on the node, so nothing has to be served.
	const pieces = 8 << 40 / artifact.MaxPieceLength
	b := artifact.NewBuilder("huge", artifact.KindFile, artifact.MaxPieceLength)
	layer := slices.Repeat([][32]byte{artifact.PieceHash(make([]byte, artifact.MaxPieceLength), artifact.MaxPieceLength, false)}, pieces)
	b.AddFile("huge", 0o644, 8<<40, layer)
	huge, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	huge = artifact.Sign(huge, publisher)
	if err := errors.Join(web.storage.SaveManifest(huge.Encode()), f.store.PutArtifact(context.Background(), recordOf(huge))); err != nil {
		t.Fatal(err)
	}
	d := f.want(web.on("site", huge.Digest().String()))
	if e := web.untilFailed("site", api.CodeNoSpace); e.Fix == "" {
		t.Errorf("error %+v names no fix", e)
	}
	if _, err := os.Lstat(d.Path); !os.IsNotExist(err) {
		t.Errorf("something stands at the destination: %v", err)
	}
	// A smaller one is tried at once, not after the wait for space.
	tree := bigFiles(1, "small")
	d.Digest = seed.publish(tree, "site", publisher).Digest().String()
	web.untilInstalled(f.want(d))
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

func TestAnotherPathBeforeItStandsLeavesNothingBehind(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(5, "content")
	m := seed.publish(tree, "site", publisher)
	f.net.stopAfter(2)
	d := f.want(web.on("site", m.Digest().String()))
	f.eventually("it has begun", func() bool { return f.net.moved() == 2 })
	d.Path = web.path("elsewhere")
	d = f.want(d)
	f.net.block(false)
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
	entries, err := os.ReadDir(web.root)
	if err != nil || len(entries) != 1 {
		t.Errorf("the root holds %v (%v), want the content only", entries, err)
	}
}

func TestLostStateIsFoundAgainOnDiskAndFromPeers(t *testing.T) {
	for _, c := range []struct{ name, lost string }{
		{"manifests", "manifests"},
		{"own records", "reconcile"},
		{"all", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleet(t)
			seed, web := f.add("seed"), f.add("web")
			tree := bigFiles(3, "content")
			m := seed.publish(tree, "site", publisher)
			d := f.want(web.on("site", m.Digest().String()))
			web.untilInstalled(d)
			moved := f.net.moved()
			web.stop()
			if err := os.RemoveAll(filepath.Join(web.state, c.lost)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			web.start()
			web.until("site", "installed again", func(s api.NodeStatus) bool {
				return s.Phase == api.PhaseInstalled && s.UpdatedAt.After(began)
			})
			f.eventually("its manifest is back", func() bool {
				_, err := web.storage.Manifest(m.Digest())
				return err == nil
			})
			web.untilInstalled(d)
			mustStand(t, web, d.Path, tree)
			if f.net.moved() != moved {
				t.Error("content that stood was fetched again")
			}
		})
	}
}

func TestRefusedDistributionIsForgotten(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	m := seed.publish(bigFiles(1, "content"), "site", publisher)
	d := web.on("site", m.Digest().String())
	d.Path = filepath.Join(t.TempDir(), "outside")
	f.want(d)
	web.untilFailed("site", api.CodeOutsideRoots)
	f.deleteRecord("site")
	f.eventually("it is forgotten", func() bool {
		_, err := os.Stat(web.r.state.recordFile("site"))
		return os.IsNotExist(err)
	})
}

func TestPathIsHandedOver(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	one, two := bigFiles(2, "one"), bigFiles(2, "two")
	a := web.on("a", seed.publish(one, "one", publisher).Digest().String())
	b := web.on("b", seed.publish(two, "two", publisher).Digest().String())
	b.Path = a.Path
	a = f.want(a)
	web.untilInstalled(a)
	b = f.want(b)
	web.untilFailed("b", api.CodeConflict)
	a.State = api.StateAbsent
	a = f.want(a)
	web.untilInstalled(b)
	mustStand(t, web, b.Path, two)
	f.deleteRecord("a")
	f.eventually("the first is forgotten", func() bool {
		_, err := os.Stat(web.r.state.recordFile("a"))
		return os.IsNotExist(err)
	})
	mustStand(t, web, b.Path, two)
}

func TestTreeOfEmptyFiles(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := files{"a": "", "b/c": ""}
	d := f.want(web.on("site", seed.publish(tree, "site", publisher).Digest().String()))
	web.untilInstalled(d)
	mustStand(t, web, d.Path, tree)
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

// loseOwner makes the node's record name an owner that the machine does not know.
func (n *node) loseOwner(name string) {
	n.f.t.Helper()
	file := n.r.state.recordFile(name)
	var rec Record
	if err := readJSON(file, &rec); err != nil {
		n.f.t.Fatal(err)
	}
	rec.Wanted.Owner, rec.Standing.Owner = "deleted-user", "deleted-user"
	if err := writeJSON(file, rec); err != nil {
		n.f.t.Fatal(err)
	}
}

func TestRemovalTakesNeitherManifestNorOwner(t *testing.T) {
	for _, remove := range []bool{true, false} {
		t.Run(map[bool]string{true: "remove", false: "forget"}[remove], func(t *testing.T) {
			f := newFleet(t)
			seed, web := f.add("seed"), f.add("web")
			tree := bigFiles(2, "content")
			d := web.on("site", seed.publish(tree, "site", publisher).Digest().String())
			d = f.want(d)
			web.untilInstalled(d)
			seed.stop() // nobody gives the manifest
			web.stop()
			if err := os.RemoveAll(filepath.Join(web.state, "manifests")); err != nil {
				t.Fatal(err)
			}
			web.loseOwner("site")
			if remove {
				d.State = api.StateAbsent
				f.want(d)
				tree = nil
			} else {
				f.deleteRecord("site")
			}
			web.start()
			f.eventually("the storage knows nothing of it", func() bool {
				list, err := web.storage.Placements()
				_, claimed := web.storage.Claimed(d.Path)
				return err == nil && len(list) == 0 && !claimed
			})
			mustStand(t, web, d.Path, tree)
		})
	}
}

func TestForgottenAlthoughItsRootIsNotAllowedAnyMore(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(2, "content")
	d := f.want(web.on("site", seed.publish(tree, "site", publisher).Digest().String()))
	web.untilInstalled(d)
	web.stop()
	f.deleteRecord("site")
	web.root = t.TempDir()
	web.start()
	f.eventually("the storage knows nothing of it", func() bool {
		list, err := web.storage.Placements()
		return err == nil && len(list) == 0
	})
	mustStand(t, web, d.Path, tree)
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

func TestStatusWhileSeedingAndAfter(t *testing.T) {
	f := newFleet(t)
	seed, web, late := f.add("seed"), f.add("web"), f.add("late")
	m := seed.publish(bigFiles(6, "content"), "site", publisher)
	f.net.stopAfter(2)
	d := f.want(web.on("site", m.Digest().String()))
	web.until("site", "fetching", func(s api.NodeStatus) bool { return s.Rate == memRate && s.Peers == 1 })
	f.net.stopAfter(-1)
	if s := web.untilInstalled(d); s.Rate != 0 {
		t.Errorf("an installed node receives %d bytes per second", s.Rate)
	}
	f.eventually("the transfer is over", func() bool { return !seed.swarm.joined(m.Digest()) && !web.swarm.joined(m.Digest()) })

	seed.stop() // what follows comes from the first node
	f.net.stopAfter(f.net.moved() + 2)
	e := f.want(late.on("late", m.Digest().String()))
	web.until("site", "seeding", func(s api.NodeStatus) bool {
		return s.Phase == api.PhaseInstalled && s.Sent > 0 && s.Peers == 1 && s.Role != "" && s.Rate == 0
	})
	f.net.stopAfter(-1)
	late.untilInstalled(e)
	s := web.until("site", "done seeding", func(s api.NodeStatus) bool { return s.Peers == 0 && s.Role == "" })
	if s.Sent != int64(m.Size()) || s.Received.ByLevel[0] != int64(m.Size()) {
		t.Errorf("sent %d and received %v of %d bytes", s.Sent, s.Received.ByLevel, m.Size())
	}
}

func TestNumbersOfTheMomentDoNotOutliveACrash(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	d := f.want(web.on("site", seed.publish(bigFiles(1, "content"), "site", publisher).Digest().String()))
	web.untilInstalled(d)
	web.stop()
	var rec Record
	if err := readJSON(web.r.state.recordFile("site"), &rec); err != nil {
		t.Fatal(err)
	}
	rec.Status.Rate, rec.Status.Peers, rec.Status.Role = 1, 2, "member"
	if err := writeJSON(web.r.state.recordFile("site"), rec); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	web.start()
	s := web.until("site", "reported again", func(s api.NodeStatus) bool { return s.UpdatedAt.After(began) })
	if s.Rate != 0 || s.Peers != 0 || s.Role != "" {
		t.Errorf("status after a crash: %+v", s)
	}
}

// loseStaged deletes a staged file that is complete, and returns its name.
func (n *node) loseStaged() string {
	n.f.t.Helper()
	found, err := filepath.Glob(filepath.Join(n.root, ".rackswarm-*", "tree", "dir*", "file*"))
	if err != nil || len(found) == 0 {
		n.f.t.Fatalf("staged files: %v, %v", found, err)
	}
	if err := os.Remove(found[0]); err != nil {
		n.f.t.Fatal(err)
	}
	return found[0]
}

func TestStagedFileIsLostBeforeTheInstallation(t *testing.T) {
	for _, repair := range []bool{false, true} {
		t.Run(map[bool]string{false: "placement", true: "repair"}[repair], func(t *testing.T) {
			f := newFleet(t)
			seed, web := f.add("seed"), f.add("web")
			tree := bigFiles(6, "content")
			m := seed.publish(tree, "site", publisher)
			d := web.on("site", m.Digest().String())
			last := m.NumSpans() - 1
			if repair {
				d = f.want(d)
				web.untilInstalled(d)
				f.net.block(true)
				for _, name := range []string{"dir0/file0", "dir1/file1"} {
					if err := os.Remove(filepath.Join(d.Path, name)); err != nil {
						t.Fatal(err)
					}
				}
				web.until("site", "drifted", func(s api.NodeStatus) bool { return s.Drifted && s.Phase == api.PhaseFetching })
				have, _ := web.swarm.have(m.Digest())
				last = f.net.moved() + have.Len() - have.Count() - 1
			}
			f.net.stopAfter(last)
			if !repair {
				d = f.want(d)
			}
			f.eventually("one span is missing", func() bool { return f.net.moved() == last })
			web.loseStaged()
			f.net.stopAfter(-1)
			web.untilInstalled(d)
			mustStand(t, web, d.Path, tree)
		})
	}
}
