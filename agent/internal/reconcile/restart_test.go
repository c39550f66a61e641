package reconcile

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

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
