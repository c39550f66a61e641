package reconcile

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

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

	takeAway(t, d.Path)
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
