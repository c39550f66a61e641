package reconcile

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

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

// A distribution whose content another one fetches to the node names that one, as what
// holds that up holds it up, too.
func TestTheSecondDistributionOfAnArtifactNamesTheFirst(t *testing.T) {
	f := newFleet(t)
	seed, web := f.add("seed"), f.add("web")
	m := seed.publish(bigFiles(5, "content"), "site", publisher)
	f.net.block(true)
	a := f.want(web.on("a", m.Digest().String()))
	web.until("a", "fetching", func(s api.NodeStatus) bool { return s.Phase == api.PhaseFetching })
	b := f.want(web.on("b", m.Digest().String()))
	web.until("b", "waits for a", func(s api.NodeStatus) bool {
		return s.Phase == api.PhasePending && len(s.Reasons) == 1 && s.Reasons[0].Subject == "a" && strings.Contains(s.Reasons[0].Fix, "rackswarm explain a")
	})
	f.net.block(false)
	web.untilInstalled(a)
	web.untilInstalled(b)
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
	takeAway(t, filepath.Join(b.Path, "dir0"))
	f.eventually("it is repaired from the other", func() bool { return maps.Equal(at(t, b.Path), two) })
}

// takeAway removes a file or directory in one step: who mends it sees it whole or
// not at all.
func takeAway(t *testing.T, path string) {
	t.Helper()
	if err := os.Rename(path, filepath.Join(t.TempDir(), "gone")); err != nil {
		t.Fatal(err)
	}
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
