package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// What vanishes or changes on a node is put right without anyone asking.
func TestRepair(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3)})
	src, dest := makeTree(t), filepath.Join(f.Root, "tree")
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--wait")
	a := f.Agents()[2]
	for i, damage := range []struct {
		name string
		do   func(top string) error
	}{
		{"a lost file", func(top string) error { return os.Remove(filepath.Join(top, "bin", "run")) }},
		{"a lost directory", func(top string) error { return vanish(filepath.Join(top, "small")) }},
		{"a truncated file", func(top string) error { return os.Truncate(filepath.Join(top, "large", "file-0"), 100) }},
		{"all of it", vanish},
	} {
		must(t, damage.do(a.Path(dest)))
		fleet.Eventually(t, patience, damage.name+" is repaired", func() error { return differs(src, a.Path(dest)) })
		awaitOn(t, f, "tree", a, "counts its repairs", func(n api.NodeStatus) bool {
			return n.Repaired == i+1 && !n.Drifted && n.Phase == api.PhaseInstalled
		})
	}
	for name, damage := range map[string]func(top string) error{
		"a mode":             func(top string) error { return os.Chmod(filepath.Join(top, "bin", "run"), 0o600) },
		"a directory's mode": func(top string) error { return os.Chmod(filepath.Join(top, "private"), 0o755) },
		"a link": func(top string) error {
			return os.Remove(filepath.Join(top, "link"))
		},
	} {
		must(t, damage(a.Path(dest)))
		fleet.Eventually(t, patience, name+" is mended", func() error { return differs(src, a.Path(dest)) })
	}
	wantSame(t, src, dest, f.Agents()...)
}

// Verification finds a flipped byte behind an unchanged size and time.
func TestVerify(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2), CheckInterval: time.Hour})
	src, dest := makeTree(t), filepath.Join(f.Root, "tree")
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--wait")
	a := f.Agents()[1]
	file := filepath.Join(a.Path(dest), "large", "file-0")
	info, err := os.Stat(file)
	must(t, err)
	data, err := os.ReadFile(file)
	must(t, err)
	data[len(data)/2] ^= 1
	must(t, os.WriteFile(file, data, 0o644))
	must(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
	f.CLI("verify", "tree", "--wait")
	wantSame(t, src, dest, f.Agents()...)
	if n := on(t, f, "tree", a); n.Repaired != 1 || n.Verified != 1 {
		t.Errorf("after verification it reports %+v", n)
	}
	if n := on(t, f, "tree", f.Agents()[0]); n.Repaired != 0 || n.Verified != 1 {
		t.Errorf("the sound node reports %+v", n)
	}
}

// Owner, group and mode are those that were asked for, and stay so.
func TestOwnership(t *testing.T) {
	needRoot(t)
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	src, dest := makeTree(t), filepath.Join(f.Root, "tree")
	a := f.Agents()[1]
	owned := func(uid, gid uint32, mode os.FileMode) error {
		top := a.Path(dest)
		for _, path := range []string{"", "bin/run", "link", "empty/deep", "large/file-0"} {
			info, err := os.Lstat(filepath.Join(top, path))
			if err != nil {
				return err
			}
			if s := info.Sys().(*syscall.Stat_t); s.Uid != uid || s.Gid != gid {
				return fmt.Errorf("%s belongs to %d:%d", path, s.Uid, s.Gid)
			}
			if path == "" && info.Mode().Perm() != mode {
				return fmt.Errorf("mode of the top is %v", info.Mode())
			}
		}
		return nil
	}
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--owner", "12345", "--group", "23456", "--mode", "0750", "--wait")
	must(t, owned(12345, 23456, 0o750))
	must(t, os.Lchown(filepath.Join(a.Path(dest), "bin", "run"), 0, 0))
	fleet.Eventually(t, patience, "the owner is mended", func() error { return owned(12345, 23456, 0o750) })
	before := received(on(t, f, "tree", a))
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--owner", "daemon", "--group", "0", "--mode", "0711", "--wait")
	must(t, owned(1, 0, 0o711))
	if got := received(on(t, f, "tree", a)); got > before {
		t.Errorf("changing the owner moved %d bytes", got-before)
	}
	r := f.TryCLI("distribute", "tree", "--source", src, "--path", dest, "--owner", "nobody-of-this-name", "--wait")
	if r.Code == 0 {
		t.Error("an unknown owner was accepted")
	}
	if e := on(t, f, "tree", a).Error; e == nil || e.Fix == "" {
		t.Errorf("with an unknown owner the node reports %v", e)
	}
	must(t, owned(1, 0, 0o711)) // what stood still stands
}

// An ended distribution leaves its files; a removed one takes them away, and
// nothing else.
func TestRemoval(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	src := makeTree(t)
	kept, gone := filepath.Join(f.Root, "apps", "kept"), filepath.Join(f.Root, "apps", "gone")
	f.CLI("distribute", "kept", "--source", src, "--path", kept, "--wait")
	f.CLI("distribute", "gone", "--source", src, "--path", gone, "--wait")
	a := f.Agents()[1]
	neighbour := filepath.Join(a.Path(f.Root), "apps", "neighbour")
	write(t, neighbour, "not ours")
	f.CLI("rm", "kept", "--content", "retain")
	f.CLI("rm", "gone", "--content", "remove", "--wait")
	wantSame(t, src, kept, f.Agents()...)
	for _, a := range f.Agents() {
		entries, err := os.ReadDir(a.Path(filepath.Dir(gone)))
		must(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		want := "[kept]"
		if a == f.Agents()[1] {
			want = "[kept neighbour]"
		}
		if fmt.Sprint(names) != want {
			t.Errorf("%s holds %v, want %s", a.Name, names, want)
		}
	}
	// Nobody looks after what was retained any more.
	must(t, os.Remove(filepath.Join(a.Path(kept), "bin", "run")))
	f.CLI("distribute", "kept", "--source", src, "--path", kept, "--overwrite", "--wait")
	wantSame(t, src, kept, f.Agents()...)
}

// Several distributions move at once on the same nodes, and one artifact stands
// at two paths, fetched once.
func TestSeveral(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: append(fleet.Racks("ams1/r1", 2), fleet.Racks("ams1/r2", 2)...)})
	sources := map[string]string{}
	for i := range 5 {
		name := fmt.Sprint("d", i)
		sources[name] = filepath.Join(t.TempDir(), name)
		random(t, filepath.Join(sources[name], name), 1<<20+i, 0o644)
		f.CLI("distribute", name, "--source", sources[name], "--path", filepath.Join(f.Root, name))
	}
	for name, src := range sources {
		awaitInstalled(t, f, name)
		wantSame(t, src, filepath.Join(f.Root, name), f.Agents()...)
	}
	twin := filepath.Join(f.Root, "twin")
	f.CLI("distribute", "twin", "--source", sources["d0"], "--path", twin, "--wait")
	wantSame(t, sources["d0"], twin, f.Agents()...)
	for _, n := range status(f, "twin").Nodes {
		if received(n) != 0 {
			t.Errorf("%s fetched again what it had: %d bytes", n.Node, received(n))
		}
	}
	f.CLI("rm", "d0", "--content", "remove", "--wait")
	wantSame(t, sources["d0"], twin, f.Agents()...)
}
