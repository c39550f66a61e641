package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// slowFleet is one whose nodes send little, and a file that takes half a minute to
// arrive everywhere; it is being distributed as "data" when slowFleet returns.
func slowFleet(t *testing.T, o fleet.Options) (f *fleet.Fleet, src, dest string) {
	t.Helper()
	o.Nodes = fleet.Racks("ams1/r1", 3)
	o.Env = []string{"RACKSWARM_LIMITS_UPLOAD=1MiB/s"}
	f = fleet.Start(t, o)
	src, dest = filepath.Join(t.TempDir(), "data"), filepath.Join(f.Root, "data")
	random(t, src, 24<<20, 0o644)
	f.CLI("distribute", "data", "--source", src, "--path", dest)
	for _, a := range f.Agents()[1:] {
		awaitOn(t, f, "data", a, "fetches", func(n api.NodeStatus) bool { return received(n) > 0 })
	}
	return f, src, dest
}

// movedBytes is what all nodes have received.
func movedBytes(f *fleet.Fleet) (sum int64) {
	for _, n := range status(f, "data").Nodes {
		sum += received(n)
	}
	return sum
}

// awaitStill waits until nothing moves any more: two readings, further apart than the
// reports of nodes, are the same.
func awaitStill(t *testing.T, f *fleet.Fleet) int64 {
	t.Helper()
	last := int64(-1)
	fleet.Eventually(t, patience, "nothing moves", func() error {
		now := movedBytes(f)
		if now == last {
			return nil
		}
		last = now
		time.Sleep(2500 * time.Millisecond) // reports come once per second
		return fmt.Errorf("%d bytes were received", now)
	})
	return last
}

// A distribution that is paused moves nothing, on any node, and says who paused it,
// also after a restart of an agent. Somebody who waits is told and goes on waiting.
// Resumed, it goes on from where it was.
func TestPause(t *testing.T) {
	t.Parallel()
	f, src, dest := slowFleet(t, fleet.Options{})
	f.CLI("pause", "data")
	for _, a := range f.Agents()[1:] {
		awaitOn(t, f, "data", a, "is paused", func(n api.NodeStatus) bool {
			return n.Held != nil && n.Held.Kind == api.HoldPause && n.Held.By != "" && n.Held.From != ""
		})
	}
	still := awaitStill(t, f)
	f.Agents()[1].Kill()
	f.Agents()[1].Restart()
	if now := awaitStill(t, f); now > still { // less, as what was counted since it was written last is lost
		t.Errorf("%d bytes moved over a restart of a paused node", now-still)
	}
	if text := f.CLI("status", "data"); !strings.Contains(text, "paused by") || strings.Contains(text, "failed") {
		t.Errorf("status says:\n%s", text)
	}
	waited := make(chan fleet.Result, 1)
	go func() { waited <- f.TryCLI("distribute", "data", "--source", src, "--path", dest, "--wait") }()
	select {
	case r := <-waited:
		t.Fatalf("somebody who waits for a paused distribution ends with %d:\n%s", r.Code, r.Stderr)
	case <-time.After(13 * time.Second): // longer than waiting for nodes that are stuck
	}
	f.CLI("limit", "--upload", "100MiB/s") // lifts no limit of a configuration
	f.CLI("resume", "data")
	awaitInstalled(t, f, "data")
	wantSame(t, src, dest, f.Agents()...)
	if r := <-waited; r.Code != 0 || !strings.Contains(r.Stderr, "paused by") || !strings.Contains(r.Stderr, "data: goes on") {
		t.Errorf("who waited ends with %d:\n%s", r.Code, r.Stderr)
	}
	for _, a := range f.Agents()[1:] {
		if n := on(t, f, "data", a); received(n) > 26<<20 {
			t.Errorf("%s received %d bytes for 24 MiB", a.Name, received(n))
		}
	}
	log, err := os.ReadFile(f.Agents()[0].Log)
	must(t, err)
	for _, what := range []string{"operator: pause", "operator: resume", "operator: limit"} {
		if !strings.Contains(string(log), what) {
			t.Errorf("the log of the agent that was asked does not say %q", what)
		}
	}
}

// pause --all holds also what is distributed later; resume --all lifts it, and leaves
// what was paused by name.
func TestPauseAll(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	f.CLI("pause", "--all")
	src, dest := makeTree(t), filepath.Join(f.Root, "app")
	f.CLI("distribute", "app", "--source", src, "--path", dest)
	f.CLI("pause", "app")
	late := f.Agents()[1]
	awaitOn(t, f, "app", late, "is paused", func(n api.NodeStatus) bool { return n.Held != nil })
	if text := f.CLI("resume", "--all"); !strings.Contains(text, "Still held: app: paused by") {
		t.Errorf("resume --all says:\n%s", text)
	}
	if n := on(t, f, "app", late); received(n) > 0 || n.Phase == api.PhaseFailed {
		t.Errorf("a paused node reports %+v", n)
	}
	f.CLI("resume", "app")
	awaitInstalled(t, f, "app")
	wantSame(t, src, dest, f.Agents()...)
}

// A distribution that is stopped is left by its nodes; who waits is told at once. The
// same distributed again does not start it, resumed it goes on from what is staged,
// and a new version starts by itself.
func TestStop(t *testing.T) {
	t.Parallel()
	f, src, dest := slowFleet(t, fleet.Options{})
	f.CLI("stop", "data")
	for _, a := range f.Agents()[1:] {
		awaitOn(t, f, "data", a, "has stopped", func(n api.NodeStatus) bool {
			return n.Held != nil && n.Held.Kind == api.HoldStop && n.Phase == api.PhasePending && n.Peers == 0
		})
	}
	before := awaitStill(t, f)
	wantError(t, f.TryCLI("distribute", "data", "--source", src, "--path", dest, "--wait"), "stopped by", "rackswarm resume data")
	if now := awaitStill(t, f); now != before {
		t.Errorf("%d bytes moved after the stop", now-before)
	}
	f.CLI("resume", "data")
	awaitInstalled(t, f, "data")
	wantSame(t, src, dest, f.Agents()...)
	for _, a := range f.Agents()[1:] {
		if n := on(t, f, "data", a); received(n) > 27<<20 {
			t.Errorf("%s received %d bytes for 24 MiB", a.Name, received(n))
		}
	}

	next := filepath.Join(t.TempDir(), "next")
	random(t, next, 2<<20, 0o644)
	f.CLI("stop", "--all")
	wantSame(t, src, dest, f.Agents()...)
	f.CLI("distribute", "data", "--source", next, "--path", dest, "--wait")
	wantSame(t, next, dest, f.Agents()...)
}

// Without the store a node pauses itself, says that it is alone in that, and explains
// itself. It stays paused when the store is back, until it is resumed there.
func TestPauseWithoutStore(t *testing.T) {
	t.Parallel()
	f, src, dest := slowFleet(t, fleet.Options{Redis: true})
	a := f.Agents()[1]
	asked := []string{"--endpoint", a.Endpoint()}
	f.Redis.Kill()
	fleet.Eventually(t, patience, "the node pauses itself", func() error {
		r := f.TryCLI(append(asked, "pause", "data")...)
		if r.Code != 3 || !strings.Contains(r.Stdout, "paused on this node alone by") || !strings.Contains(r.Stderr, "only this node is paused") {
			return fmt.Errorf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
		return nil
	})
	wantError(t, f.TryCLI(append(asked, "stop", "data")...), "store does not answer", "rackswarm pause")
	var e api.Explanation
	must(t, json.Unmarshal([]byte(f.CLI(append(asked, "explain", "data", "--json")...)), &e))
	if !e.StoreDown || len(e.Nodes) != 1 || e.Nodes[0].Node != a.Name || e.Nodes[0].Reasons[0].Code != api.ReasonPaused {
		t.Errorf("explained without the store: %+v", e)
	}
	f.Redis.Restart()
	f.WaitRegistered()
	awaitOn(t, f, "data", a, "is paused alone", func(n api.NodeStatus) bool { return n.Held != nil && n.Held.Node == a.Name })
	awaitSame(t, src, dest, f.Agents()[2])
	if n := on(t, f, "data", a); n.Phase == api.PhaseInstalled {
		t.Errorf("the paused node has it: %+v", n)
	}
	f.CLI(append(asked, "resume", "data")...)
	awaitInstalled(t, f, "data")
}

// A limit holds within a second on each node that it names, and is explained by name;
// cleared, the transfer goes on at full speed. Zero is refused.
func TestLimitsAtRuntime(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3)})
	src, dest := filepath.Join(t.TempDir(), "data"), filepath.Join(f.Root, "data")
	random(t, src, 24<<20, 0o644)
	wantError(t, f.TryCLI("limit", "--location", "ams1", "--download", "0"), "--download", "never means unlimited", "rackswarm pause")
	slow, fast := f.Agents()[1], f.Agents()[2]
	f.CLI("limit", "--node", slow.Name, "--download", "128KiB/s")
	f.CLI("distribute", "data", "--source", src, "--path", dest)
	awaitSame(t, src, dest, fast)
	if n := on(t, f, "data", slow); n.Phase == api.PhaseInstalled {
		t.Errorf("the limited node has it as soon as the other: %+v", n)
	}
	fleet.Eventually(t, patience, "the limit is explained", func() error {
		text := f.CLI("explain", "data", slow.Name)
		if !strings.Contains(text, `limited to 128.0 KiB/s by limit "node `+slow.Name+`"`) {
			return fmt.Errorf("it says:\n%s", text)
		}
		return nil
	})
	if text := f.CLI("limits"); !strings.Contains(text, "node "+slow.Name) || !strings.Contains(text, "128.0 KiB/s") {
		t.Errorf("limits lists:\n%s", text)
	}
	f.CLI("limit", "--node", slow.Name, "--clear")
	awaitInstalled(t, f, "data")

	more := filepath.Join(t.TempDir(), "more")
	random(t, more, 24<<20, 0o644)
	f.CLI("distribute", "more", "--source", more, "--path", dest+"-more", "--node", f.Agents()[0].Name, "--wait")
	f.CLI("limit", "--distribution", "more", "--location", "ams1/r1", "--upload", "128KiB/s")
	f.CLI("distribute", "more", "--source", more, "--path", dest+"-more")
	f.CLI("distribute", "other", "--source", src, "--path", dest+"-other", "--wait")
	if st := status(f, "more"); st.Summary.Done {
		t.Error("the limited distribution is done before one that has no limit")
	}
	f.CLI("limit", "--distribution", "more", "--location", "ams1/r1", "--upload", "unlimited")
	awaitInstalled(t, f, "more")
	if text := f.CLI("limits"); !strings.Contains(text, "No limits but those") {
		t.Errorf("limits lists:\n%s", text)
	}
}

// What a node waits for is said with what can be done.
func TestExplain(t *testing.T) {
	t.Parallel()
	f, _, _ := slowFleet(t, fleet.Options{})
	down := f.Agents()[2]
	explained := func(what string, words ...string) {
		t.Helper()
		fleet.Eventually(t, patience, what+" is explained", func() error {
			text := f.CLI("explain", "data")
			for _, w := range words {
				if !strings.Contains(text, w) {
					return fmt.Errorf("it does not say %q:\n%s", w, text)
				}
			}
			return nil
		})
	}
	explained("a limit of agent.yaml", "limits.upload of its agent.yaml", "Fastest peers: ")
	f.CLI("pause", "data")
	explained("a pause", "Paused by", "rackswarm resume data")
	down.Kill()
	explained("a node that is down", down.Name+" ams1/r1", "Its agent does not answer")
	wantError(t, f.TryCLI("explain", "data", "nobody"), "nobody", "rackswarm status data")
	f.CLI("resume", "data")
	down.Restart()
	awaitInstalled(t, f, "data")
	explained("that all is done", "3 of 3 nodes have what is wanted")
}
