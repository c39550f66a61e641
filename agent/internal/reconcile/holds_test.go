package reconcile

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

func (n *node) holds(path string) bool {
	n.f.t.Helper()
	held, err := n.r.Holds(n.f.t.Context(), path)
	if err != nil {
		n.f.t.Fatal(err)
	}
	return held
}

// Who wants to do something of his own at a path learns when no distribution is
// about it any more.
func TestHolds(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	tree := bigFiles(2, "content")
	m := seed.publish(tree, "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	f.eventually("it holds what it was told to place", func() bool { return web.holds(d.Path) })
	web.untilInstalled(d)
	for path, want := range map[string]bool{
		d.Path: true, d.Path + "/": true, filepath.Join(d.Path, "data"): true, filepath.Dir(d.Path): true, "/": true,
		d.Path + "-2": false, filepath.Join(filepath.Dir(d.Path), "other"): false,
	} {
		if got := web.holds(path); got != want {
			t.Errorf("%s held: %v, want %v", path, got, want)
		}
	}
	if seed.holds(d.Path) {
		t.Error("a node holds what is another's")
	}
	f.deleteRecord("site")
	f.eventually("it is let go", func() bool { return !web.holds(d.Path) })
	mustStand(t, web, d.Path, tree)
}

// While content is being taken away the path is held.
func TestHoldsUntilRemoved(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	m := seed.publish(bigFiles(2, "content"), "site", publisher)
	d := f.want(web.on("site", m.Digest().String()))
	web.untilInstalled(d)
	d.State = api.StateAbsent
	f.want(d)
	f.eventually("it is let go", func() bool { return !web.holds(d.Path) })
	mustStand(t, web, d.Path, nil)
}

func TestHoldsOfAReconcilerThatEnded(t *testing.T) {
	f := newFleet(t)
	web := f.add("web")
	web.stop()
	if _, err := web.r.Holds(t.Context(), "/srv"); !errors.Is(err, ErrStopped) {
		t.Errorf("error %v, want %v", err, ErrStopped)
	}
}
