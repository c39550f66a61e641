package acceptance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// patience is how long anything may take on a busy machine.
const patience = time.Minute

// makeTree makes a tree of everything that an artifact can hold, about 3 MiB.
func makeTree(t *testing.T) string {
	t.Helper()
	top := filepath.Join(t.TempDir(), "tree")
	for i, size := range []int{2 << 20, 700_001, 65536, 16384, 1} {
		random(t, filepath.Join(top, "large", fmt.Sprint("file-", i)), size, 0o644)
	}
	for i := range 60 {
		random(t, filepath.Join(top, "small", fmt.Sprint(i%7), fmt.Sprint("file-", i)), 100+i*37, 0o600)
	}
	random(t, filepath.Join(top, "bin", "run"), 5000, 0o755)
	random(t, filepath.Join(top, "bin", "setuid"), 10, 0o4711|fs.FileMode(0))
	random(t, filepath.Join(top, "empty-file"), 0, 0o444)
	write(t, filepath.Join(top, "VERSION"), "1")
	random(t, filepath.Join(top, "sp ace", "ümläut \xff"), 10, 0o640)
	for link, target := range map[string]string{"link": "bin/run", "dangling": "nowhere/at/all", "bin/up": "../large", "absolute": "/etc/hostname"} {
		if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	for dir, mode := range map[string]fs.FileMode{"empty/deep/er": 0o755, "private": 0o700, "sticky": 0o777 | fs.ModeSticky} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(top, dir), mode); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// random writes a file whose bytes follow from its name.
func random(t *testing.T, file string, size int, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	rand.NewChaCha8(sha256.Sum256([]byte(filepath.Base(file)))).Read(data)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Chmod(file, uint32(mode)); err != nil {
		t.Fatal(err)
	}
}

// fingerprint describes every entry of a tree, or a file: type, mode, target,
// size and digest, by path.
func fingerprint(top string) (map[string]string, error) {
	entries := map[string]string{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		detail := ""
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			detail, err = os.Readlink(path)
		case d.Type().IsRegular():
			var data []byte
			data, err = os.ReadFile(path)
			sum := sha256.Sum256(data)
			detail = hex.EncodeToString(sum[:])
		}
		entries[strings.TrimPrefix(path, top)] = fmt.Sprint(info.Mode(), " ", detail)
		return err
	})
	return entries, err
}

// differs says how the tree at got differs from that at want.
func differs(want, got string) error {
	w, err := fingerprint(want)
	if err != nil {
		return err
	}
	g, err := fingerprint(got)
	if err != nil {
		return err
	}
	var diff []string
	for _, path := range slices.Sorted(maps.Keys(w)) {
		if g[path] != w[path] {
			diff = append(diff, fmt.Sprintf("%s is %q, want %q", path, g[path], w[path]))
		}
	}
	for path := range g {
		if _, ok := w[path]; !ok {
			diff = append(diff, path+" is too many")
		}
	}
	if diff != nil {
		return fmt.Errorf("%s: %s", got, strings.Join(diff[:min(len(diff), 5)], "; "))
	}
	return nil
}

// wantSame fails the test unless the destination is like the source on agents.
func wantSame(t *testing.T, src, dest string, agents ...*fleet.Agent) {
	t.Helper()
	for _, a := range agents {
		if err := differs(src, a.Path(dest)); err != nil {
			t.Errorf("on %s: %v", a.Name, err)
		}
	}
}

// awaitSame waits until the destination is like the source on agents.
func awaitSame(t *testing.T, src, dest string, agents ...*fleet.Agent) {
	t.Helper()
	for _, a := range agents {
		fleet.Eventually(t, patience, a.Name+" has it", func() error { return differs(src, a.Path(dest)) })
	}
}

// status returns what is known of a distribution.
func status(f *fleet.Fleet, name string) api.Status {
	var st api.Status
	f.JSON(&st, "status", name)
	return st
}

// tryStatus is status where the store may not answer.
func tryStatus(f *fleet.Fleet, name string) (st api.Status, err error) {
	r := f.TryCLI("status", name, "--json")
	if r.Code != 0 {
		return st, errors.New(r.Stderr)
	}
	return st, json.Unmarshal([]byte(r.Stdout), &st)
}

// on returns one node's report on a distribution.
func on(t *testing.T, f *fleet.Fleet, name string, a *fleet.Agent) api.NodeStatus {
	t.Helper()
	st := status(f, name)
	for _, n := range st.Nodes {
		if n.Node == a.Name {
			return n
		}
	}
	t.Fatalf("no node %s in %+v", a.Name, st)
	return api.NodeStatus{}
}

// received is all block payload that a node got.
func received(n api.NodeStatus) int64 {
	sum := int64(0)
	for _, b := range n.Received.ByLevel {
		sum += b
	}
	return sum
}

// awaitOn waits until a node's report meets a condition.
func awaitOn(t *testing.T, f *fleet.Fleet, name string, a *fleet.Agent, what string, holds func(api.NodeStatus) bool) api.NodeStatus {
	t.Helper()
	var n api.NodeStatus
	fleet.Eventually(t, patience, a.Name+" "+what, func() error {
		if n = on(t, f, name, a); !holds(n) {
			return fmt.Errorf("it reports %+v: %w", n, n.Error)
		}
		return nil
	})
	return n
}

// awaitInstalled waits until every node of a distribution holds it.
func awaitInstalled(t *testing.T, f *fleet.Fleet, name string) api.Status {
	t.Helper()
	var st api.Status
	fleet.Eventually(t, patience, name+" is everywhere", func() error {
		var err error
		if st, err = tryStatus(f, name); err == nil && !st.Summary.Done {
			err = fmt.Errorf("%+v", st.Nodes)
		}
		return err
	})
	return st
}

// wantError checks that a command failed and that its error has all the parts:
// the subject and what can be done.
func wantError(t *testing.T, r fleet.Result, parts ...string) {
	t.Helper()
	if r.Code == 0 {
		t.Fatalf("the command succeeded: %s", r.Stdout)
	}
	for _, p := range append(parts, "Fix: ") {
		if !strings.Contains(r.Stderr, p) {
			t.Errorf("%q is not in the error:\n%s", p, r.Stderr)
		}
	}
}

// wantNothing checks that a directory holds nothing, hidden or not.
func wantNothing(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("%s holds %v (%v), want nothing", dir, entries, err)
	}
}

// needRoot skips what only root can set up.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// command runs a program of the machine.
func command(name string, args ...string) (output []byte, err error) {
	return exec.Command(name, args...).CombinedOutput()
}

// vanish takes a path away at once: removed bit by bit, it might be repaired
// meanwhile.
func vanish(path string) error {
	dir, err := os.MkdirTemp("", "vanished-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return os.Rename(path, filepath.Join(dir, "gone"))
}
