package reconcile

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// loseStore puts an empty store in place of the one that runs, and waits until
// the nodes have read it.
func (f *fleet) loseStore(nodes ...*node) {
	f.t.Helper()
	f.stopStore()
	if err := os.Remove(f.config.StateFile); err != nil {
		f.t.Fatal(err)
	}
	f.startStore()
	var id string
	f.eventually("the empty store answers", func() (ok bool) {
		var err error
		id, err = f.store.Identity(context.Background())
		return err == nil
	})
	for _, n := range nodes {
		f.eventually(n.api.Name+" has read the empty store", func() bool {
			d, ok := n.r.state.loadDesired()
			return ok && d.Store == id && len(d.Distributions) == 0
		})
	}
}

// remembers reports whether the node knows what stands of a distribution.
func (n *node) remembers(name string) bool {
	var rec Record
	list, err := n.storage.Placements()
	return errors.Join(err, readJSON(n.r.state.recordFile(name), &rec)) == nil && rec.Standing != nil && len(list) == 1
}

// wantedBy is the store that the node remembers to have wanted a distribution.
func (n *node) wantedBy(name string) string {
	var rec Record
	if readJSON(n.r.state.recordFile(name), &rec) != nil {
		return ""
	}
	return rec.Store
}

func (n *node) readStore() string {
	d, _ := n.r.state.loadDesired()
	return d.Store
}

func TestEmptyStoreKeepsWhatStands(t *testing.T) {
	f := newFleet(t)
	seed, web, late := f.add("seed"), f.add("web"), f.add("late")
	tree := bigFiles(3, "content")
	m := seed.publish(tree, "site", publisher)
	d := web.on("site", m.Digest().String())
	web.untilInstalled(f.want(d))
	f.loseStore(seed, web, late)
	web.restart()
	if !web.remembers("site") {
		t.Fatal("the placement is forgotten")
	}
	mustStand(t, web, d.Path, tree)
	web.damageAndWait(d.Path, tree) // from the seed

	seed.stop()
	if err := f.store.PutArtifact(context.Background(), recordOf(m)); err != nil {
		t.Fatal(err)
	}
	late.untilInstalled(f.want(late.on("late", m.Digest().String())))
	if !web.remembers("site") {
		t.Error("the placement is forgotten once the store holds another distribution")
	}
	late.stop() // nobody is left to fetch from

	moved := f.net.moved()
	web.untilInstalled(f.want(d))
	f.eventually("it is wanted again", func() bool { return web.wantedBy("site") == web.readStore() })
	mustStand(t, web, d.Path, tree)
	f.deleteRecord("site")
	f.eventually("it is forgotten as the store that wants it deletes it", func() bool { return !web.remembers("site") })
	mustStand(t, web, d.Path, tree)
	if got := f.net.moved(); got != moved {
		t.Errorf("%d spans moved for content that stood", got-moved)
	}
}

func TestEmptyStoreYieldsThePathToANewDistribution(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(3, "content")
	m := seed.publish(tree, "site", publisher)
	before := f.want(web.on("before", m.Digest().String()))
	web.untilInstalled(before)
	f.loseStore(seed, web)
	moved := f.net.moved()
	if err := f.store.PutArtifact(context.Background(), recordOf(m)); err != nil {
		t.Fatal(err)
	}
	d := web.on("after", m.Digest().String())
	d.Path = before.Path
	web.untilInstalled(f.want(d))
	mustStand(t, web, d.Path, tree)
	if got := f.net.moved(); got != moved || web.remembers("before") {
		t.Errorf("%d spans moved, the placement before is remembered: %v", got-moved, web.remembers("before"))
	}
}

func TestPlanOfWhatAnotherStoreWanted(t *testing.T) {
	world, one, two := theWorld(t)
	for _, c := range []struct {
		name   string
		change func(w *World, rec *Record)
		want   Task
	}{
		{"lost with its store", func(*World, *Record) {}, Keep{}},
		{"deleted in its store", func(w *World, _ *Record) { w.Store = "old" }, Forget{}},
		{"of a store without a name", func(_ *World, rec *Record) { rec.Store = "" }, Forget{}},
		{"removed before", func(_ *World, rec *Record) { rec.Removed = true }, Forget{}},
		{"its path is wanted by another", func(w *World, _ *Record) { w.want("other", two, "/srv/web/sub") }, Forget{}},
		{"there again, and selects others", func(w *World, _ *Record) {
			w.want("web", one, "/srv/web")
			w.Distributions[0].Selector.NodeNames = []string{"web2"}
		}, Forget{}},
		{"there again", func(w *World, _ *Record) { w.want("web", one, "/srv/web") }, Check{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, rec := world, stands(wants("web", one))
			w.Store, rec.Store = "new", "old"
			c.change(&w, rec)
			w.Records = map[string]*Record{"web": rec}
			if got := Plan(w)["web"]; got != c.want {
				t.Errorf("plan is %T%+v, want %T", got, got, c.want)
			}
		})
	}
}

func (w *World) want(name string, d artifact.Digest, path string) {
	dist := wants(name, d)
	dist.Path = path
	w.Distributions = []api.Distribution{dist}
}
