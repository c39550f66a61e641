package reconcile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// A node that may not hold two versions says so before it fetches, and begins when
// it may.
func TestQuota(t *testing.T) {
	f := newFleet(t)
	first, second, one, two := versions(f)
	web := f.add("web")
	size := unit.Bytes(one.Size())
	web.stop()
	web.budget = quota.New(size + size/2)
	web.start()
	d := web.on("site", one.Digest().String())
	web.untilInstalled(f.want(d))
	if got := web.budget.Used(); got != int64(size) {
		t.Errorf("%d bytes held, not %d", got, size)
	}
	moved := f.net.moved()
	d.Digest = two.Digest().String()
	d = f.want(d)
	e := web.untilFailed("site", api.CodeQuota)
	if e.Subject != d.Path || !strings.Contains(e.Fix, "storage.quota") {
		t.Errorf("error %+v", e)
	}
	mustStand(t, web, d.Path, first)
	if f.net.moved() != moved || leftovers(t, web) != nil {
		t.Errorf("%d spans moved, left %v", f.net.moved()-moved, leftovers(t, web))
	}
	web.stop()
	web.budget = quota.New(3 * size)
	web.start()
	web.untilInstalled(d)
	mustStand(t, web, d.Path, second)
	f.eventually("one version is held", func() bool { return web.budget.Used() == int64(two.Size()) })
	d.KeepPrevious, d.Previous, d.Digest = true, d.Digest, one.Digest().String()
	web.untilInstalled(f.want(d))
	f.eventually("two versions are held", func() bool { return web.budget.Used() == int64(one.Size()+two.Size()) })
	f.deleteRecord("site")
	f.eventually("nothing is held", func() bool { return web.budget.Used() == 0 })
}

// What no distribution needs is deleted, if it has been so for a while and the
// store can be asked; what one needs never is.
func TestCollect(t *testing.T) {
	f := newFleet(t)
	first, _, one, two := versions(f)
	web := f.add("web", "role=web")
	f.addDown("zdown", "role=web")
	d := web.on("site", one.Digest().String())
	web.untilInstalled(f.want(d))
	d.Digest, d.Activate, d.Selector = two.Digest().String(), api.ActivateTogether, api.Selector{Labels: map[string]string{"role": "web"}}
	d = f.want(d)
	web.untilStaged(d)

	old := bigFiles(2, "of no distribution").manifest(t, "old", publisher)
	if err := web.storage.SaveManifest(old); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(web.state, "manifests", strings.TrimPrefix(old.Digest().String(), "sha256:")+".torrent")
	collect := func(dry bool) []api.CollectedItem {
		t.Helper()
		items, err := web.r.Collect(t.Context(), dry)
		if err != nil {
			t.Fatal(err)
		}
		return items
	}
	if got := collect(false); len(got) != 0 {
		t.Errorf("too early: %+v", got)
	}
	then := time.Now().Add(-2 * collectGrace)
	for _, dir := range []string{filepath.Join(web.state, "manifests"), web.root} {
		entries, err := filepath.Glob(filepath.Join(dir, "*"))
		hidden, err2 := filepath.Glob(filepath.Join(dir, ".rackswarm-*"))
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		for _, name := range append(entries, hidden...) {
			if err := os.Chtimes(name, then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := collect(true); len(got) != 1 || got[0].Path != file || got[0].Bytes == 0 {
		t.Errorf("to be collected: %+v", got)
	}
	f.stopStore()
	if items, err := web.r.Collect(t.Context(), false); !errors.Is(err, store.ErrUnreachable) || len(items) != 0 {
		t.Errorf("without a store: %+v, %v", items, err)
	}
	f.startStore()
	f.eventually("it is collected", func() bool { items, err := web.r.Collect(t.Context(), false); return err == nil && len(items) == 1 })
	if _, err := os.Stat(file); err == nil {
		t.Error("the manifest is still there")
	}
	mustStand(t, web, d.Path, first)
	moved := f.net.moved()
	if err := activate(t.Context(), f.store, d); err != nil {
		t.Fatal(err)
	}
	web.untilInstalled(d)
	if f.net.moved() != moved {
		t.Error("what was staged is gone")
	}
}

// keeps has a node install one version and then another, and keep the first.
func (f *fleet) keeps(n *node, one, two *artifact.Manifest) api.Distribution {
	f.t.Helper()
	d := n.on("site", one.Digest().String())
	d.KeepPrevious = true
	n.untilInstalled(f.want(d))
	d.Digest, d.Previous = two.Digest().String(), one.Digest().String()
	d = f.want(d)
	n.untilInstalled(d)
	n.until("site", "keeps it", func(s api.NodeStatus) bool { return s.Kept == d.Previous })
	return d
}

// A version that was kept, and that nobody returns to any more, goes even while
// another one waits.
func TestCollectKeptVersion(t *testing.T) {
	f := newFleet(t)
	_, _, one, two := versions(f)
	three := f.nodes[0].publish(bigFiles(6, "third"), "three", publisher)
	web := f.add("web", "role=web")
	f.addDown("zdown", "role=web")
	d := f.keeps(web, one, two)
	if items, err := web.r.Collect(t.Context(), false); err != nil || len(items) != 0 {
		t.Errorf("needed: %+v, %v", items, err)
	}
	d.Digest, d.Previous, d.Activate = three.Digest().String(), two.Digest().String(), api.ActivateTogether
	d.Selector = api.Selector{Labels: map[string]string{"role": "web"}}
	d = f.want(d)
	web.untilStaged(d)
	var items []api.CollectedItem
	var err error
	f.eventually("the older one is collected", func() bool {
		items, err = web.r.Collect(t.Context(), false)
		return err == nil && len(items) == 1 && items[0].Bytes == int64(one.Size())
	}, func() string { return fmt.Sprintf("%+v, %v; kept %q", items, err, web.status("site").Kept) })
	web.until("site", "keeps nothing", func(s api.NodeStatus) bool { return s.Kept == "" && s.Phase == api.PhaseStaged })
}

// A store that lost its data needs nothing that this node could know of.
func TestCollectNothingForALostStore(t *testing.T) {
	f := newFleet(t)
	first, _, one, _ := versions(f)
	web := f.add("web")
	d := web.on("site", one.Digest().String())
	web.untilInstalled(f.want(d))
	f.stopStore()
	if err := os.Remove(f.config.StateFile); err != nil {
		t.Fatal(err)
	}
	f.startStore()
	f.eventually("nothing is collected", func() bool {
		items, err := web.r.Collect(t.Context(), false)
		var e *api.Error
		return len(items) == 0 && errors.As(err, &e) && e.Code == api.CodeConflict && e.Fix != ""
	})
	mustStand(t, web, d.Path, first)
}

// A worker that runs while a version kept is deleted may have seen it before: the
// record says that it is gone as soon as the worker has ended.
func TestKeptVersionDroppedBesideAWorker(t *testing.T) {
	f := newFleet(t)
	_, _, one, two := versions(f)
	web := f.add("web", "role=web")
	f.keeps(web, one, two)
	said := make(chan [2]string)
	f.eventually("no worker runs", func() bool {
		tried := make(chan bool)
		web.r.mail.put(inLoop(func(r *Reconciler) {
			x := r.dists["site"]
			if tried <- x.worker == nil; x.worker != nil {
				return
			}
			x.worker = &worker{name: "site"}
			keptDropped{"site", one.Digest()}.apply(r)
			during := x.rec.Kept
			x.worker = nil
			r.noteDropped(x)
			said <- [2]string{during, x.rec.Kept}
		}))
		return <-tried
	}, func() string { return "" })
	if got, want := <-said, [2]string{one.Digest().String(), ""}; got != want {
		t.Errorf("kept during and after: %q, want %q", got, want)
	}
}
