package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// An agent starts without its store, says so once, and joins when it comes.
func TestStoreDownAtStart(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2), Redis: true})
	f.Redis.Kill()
	for _, a := range f.Agents() {
		a.Start()
	}
	a := f.Agents()[0]
	fleet.Eventually(t, patience, "the agent says that it runs", func() error { return logged(a, "agent runs") })
	fleet.Eventually(t, patience, "the agent says that the store is away", func() error { return logged(a, "store") })
	wantError(t, f.TryCLI("nodes"), "store", f.Redis.Addr)
	time.Sleep(3 * time.Second) // for it to try, and to say more than it should
	if n := warnings(t, a); n != 1 {
		t.Errorf("the outage was told %d times", n)
	}
	f.Redis.Restart()
	f.WaitRegistered()
	for _, a := range f.Agents() {
		if !a.Running() {
			t.Errorf("%s ended", a.Name)
		}
	}
}

// logged is nil if a line of the agent's log has the text.
func logged(a *fleet.Agent, text string) error {
	log, err := os.ReadFile(a.Log)
	if err == nil && !strings.Contains(string(log), text) {
		err = fmt.Errorf("no %q in its log", text)
	}
	return err
}

// warnings counts lines about the store that are warnings or errors.
func warnings(t *testing.T, a *fleet.Agent) int {
	t.Helper()
	log, err := os.ReadFile(a.Log)
	must(t, err)
	n := 0
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "store") && (strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR")) {
			n++
		}
	}
	return n
}

// Without its store data flows on, and what was under way comes to stand; when
// the store is back the fleet agrees on it.
func TestStoreKilled(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{
		Nodes: fleet.Racks("ams1/r1", 3), Redis: true, Env: []string{"RACKSWARM_LIMITS_UPLOAD=12Mbit"},
	})
	src, dest := filepath.Join(t.TempDir(), "big"), filepath.Join(f.Root, "big")
	random(t, src, 12<<20, 0o644)
	f.CLI("distribute", "big", "--source", src, "--path", dest)
	for _, a := range f.Agents()[1:] {
		awaitOn(t, f, "big", a, "fetches", func(n api.NodeStatus) bool { return received(n) > 0 })
	}
	f.Redis.Kill()
	for _, a := range f.Agents()[1:] {
		if _, err := os.Stat(a.Path(dest)); err == nil {
			t.Errorf("%s was done before the store was killed", a.Name)
		}
	}
	awaitSame(t, src, dest, f.Agents()...)
	// Damage is repaired from peers when it is back.
	must(t, os.Remove(f.Agents()[1].Path(dest)))
	f.Redis.Restart()
	awaitInstalled(t, f, "big")
	awaitSame(t, src, dest, f.Agents()...)
}

// A store that comes back empty has lost what is desired, but nobody deletes
// anything. Saying it again finds everything in place.
func TestStoreEmptied(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3), Redis: true, Forgetful: true})
	src, dest := makeTree(t), filepath.Join(f.Root, "tree")
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--wait")
	before := map[string]int64{}
	for _, n := range status(f, "tree").Nodes {
		before[n.Node] = fetched(n)
	}
	f.Redis.Kill()
	f.Redis.Restart()
	f.WaitRegistered()
	time.Sleep(3 * time.Second) // for agents to read it, and to do what they should not
	wantSame(t, src, dest, f.Agents()...)
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--wait")
	wantSame(t, src, dest, f.Agents()...)
	for _, n := range status(f, "tree").Nodes {
		if got := fetched(n); got > before[n.Node] {
			t.Errorf("%s fetched %d bytes that it had", n.Node, got-before[n.Node])
		}
	}
}

// fetched is what a node received and kept. A block that was cancelled too late
// may still arrive after the installation, and counts as a duplicate.
func fetched(n api.NodeStatus) int64 { return received(n) - n.Received.Duplicate }

// The embedded store keeps artifacts and distributions, whether its agent was
// stopped or killed.
func TestEmbeddedStoreRestarted(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	src, dest := makeTree(t), filepath.Join(f.Root, "tree")
	f.CLI("distribute", "tree", "--source", src, "--path", dest, "--wait")
	time.Sleep(time.Second) // what was said at last is written
	first := f.Agents()[0]
	for _, end := range []func(){first.Stop, first.Kill} {
		end()
		first.Restart()
		var list api.ArtifactList
		f.JSON(&list, "artifacts")
		if len(list.Artifacts) != 1 {
			t.Fatalf("artifacts are %+v", list.Artifacts)
		}
		st := awaitInstalled(t, f, "tree")
		if st.Distribution.Path != dest || st.Distribution.Generation != 1 {
			t.Errorf("the distribution is %+v", st.Distribution)
		}
		wantSame(t, src, dest, f.Agents()...)
	}
	must(t, vanish(f.Agents()[1].Path(dest)))
	awaitSame(t, src, dest, f.Agents()[1])
}
