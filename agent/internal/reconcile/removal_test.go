package reconcile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

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
