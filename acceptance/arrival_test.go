package acceptance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// A tree arrives as it is on every node: on those that are there, on one that
// joins later, and on one that was down. The next version moves only what
// changed, and the version before stands until it is replaced at once.
func TestArrival(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{Nodes: slices.Concat(fleet.Racks("ams1/r1", 2), fleet.Racks("ams1/r2", 2), fleet.Racks("fra1/r1", 1))})
	late, down := f.Agent("ams1-r2-2"), f.Agent("fra1-r1-1")
	present := without(f.Agents(), late)
	for _, a := range present {
		a.Start()
	}
	f.WaitRegistered()
	src, dest := makeTree(t), filepath.Join(f.Root, "apps", "tree")
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--wait")
	wantSame(t, src, dest, present...)
	late.Restart()
	awaitSame(t, src, dest, late)
	first := awaitInstalled(t, f, "tree")
	if got := first.Summary; got.Targets != 5 || got.Converged != 5 {
		t.Errorf("summary is %+v", got)
	}

	down.Stop()
	next := copyTree(t, src)
	write(t, filepath.Join(next, "VERSION"), "2")
	random(t, filepath.Join(next, "small", "0", "new"), 3000, 0o644)
	must(t, os.Remove(filepath.Join(next, "large", "file-3")))
	must(t, os.Rename(filepath.Join(next, "large", "file-1"), filepath.Join(next, "moved")))
	look := watchVersion(filepath.Join(f.Agents()[1].Path(dest), "VERSION"))
	r := f.TryCLI("distribute", "tree", "--source", next, "--path", dest, "--wait")
	if r.Code != 3 {
		t.Errorf("with a node that is down, distribute ends with %d:\n%s", r.Code, r.Stderr)
	}
	if err := look(); err != nil {
		t.Error(err)
	}
	wantSame(t, next, dest, without(f.Agents(), down)...)
	wantSame(t, src, dest, down) // nothing happened to it
	down.Restart()
	awaitSame(t, next, dest, down)
	for _, n := range awaitInstalled(t, f, "tree").Nodes {
		const changed = 400 << 10 // two small files, by the spans around them
		if got := received(n); got > changed {
			t.Errorf("%s received %d bytes of a version that changed little", n.Node, got)
		}
	}
}

func without(all []*fleet.Agent, one *fleet.Agent) []*fleet.Agent {
	return slices.DeleteFunc(slices.Clone(all), func(a *fleet.Agent) bool { return a == one })
}

func copyTree(t *testing.T, src string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "tree")
	if out, err := command("cp", "-a", src, to); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	return to
}

// watchVersion reads a file all the time until the returned function is called,
// which says what was wrong.
func watchVersion(file string) (stop func() error) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	var wrong error
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if text, err := os.ReadFile(file); err != nil || string(text) != "1" && string(text) != "2" {
				wrong = errors.Join(wrong, fmt.Errorf("between two versions: %q, %w", text, err))
				return
			}
		}
	})
	return func() error { close(done); wg.Wait(); return wrong }
}
