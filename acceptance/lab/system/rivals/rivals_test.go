package rivals

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/lab/content"
	"github.com/rackswarm/rackswarm/acceptance/lab/network/networktest"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

func TestMain(m *testing.M) {
	RunProgram()
	os.Exit(m.Run())
}

// two racks with two hosts each, at 20 Mbit/s: 4 MB take two seconds.
const twoRacks = `
name: rivals
artifact: {size: 4MB, seed: 1, files: %d}
locations:
  r1: {uplink: 20Mbit, hosts: 2}
  r2: {uplink: 20Mbit, hosts: 2}
host: {up: 50Mbit, down: 50Mbit}
initial: r1/1
stagger: %s
`

// world is a rival on its network, with what it is to distribute.
type world struct {
	t        *testing.T
	scenario *scenario.Scenario
	content  content.Content
	system   system.System
}

func newWorld(t *testing.T, name, text string) *world {
	t.Helper()
	s := networktest.Scenario(t, text)
	n := networktest.New(t, s)
	dir := t.TempDir()
	c, err := content.Write(filepath.Join(dir, "content"), s.Artifact)
	if err != nil {
		t.Fatal(err)
	}
	sys, err := New(name, Setup{Scenario: s, Network: n, Content: c.Path, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, s, c, sys}
	t.Cleanup(w.close)
	if err := sys.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// close ends the system, which leaves nothing but the content.
func (w *world) close() {
	if err := w.system.Close(); err != nil {
		w.t.Error(err)
	}
	for _, h := range w.scenario.Hosts {
		if left := w.system.Processes(h.Node); len(left) > 0 {
			w.t.Errorf("%s still has %d processes", h.Node, len(left))
		}
	}
	left, err := os.ReadDir(filepath.Dir(w.content.Path))
	if err != nil || len(left) != 1 {
		w.t.Errorf("what is left: %v, %v", left, err)
	}
}

func (w *world) distribute() {
	w.t.Helper()
	if err := w.system.Distribute(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) fault(a scenario.Action, node unit.NodeID) {
	w.t.Helper()
	if err := w.system.Fault(w.t.Context(), scenario.Fault{Action: a, Node: node}); err != nil {
		w.t.Fatal(err)
	}
}

// waitFor waits until a state holds for the nodes.
func (w *world) waitFor(what string, nodes []unit.NodeID, holds func(system.State) bool) {
	w.t.Helper()
	err := wait.Until(w.t.Context(), 5*time.Minute, what, func() error {
		for _, node := range nodes {
			s := w.system.State(node)
			if s.Failed != nil {
				return wait.Stop{Err: s.Failed}
			}
			if !holds(s) {
				return fmt.Errorf("%s: %+v", node, s)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// delivered waits until all receivers have the content, and compares it.
func (w *world) delivered() {
	w.t.Helper()
	w.waitFor("all are complete", w.scenario.Receivers, func(s system.State) bool { return s.Complete && !s.CompleteAt.IsZero() })
	for _, node := range w.scenario.Receivers {
		if err := w.content.Verify(w.system.Path(node)); err != nil {
			w.t.Errorf("%s: %v", node, err)
		}
	}
}

func TestEveryRivalDelivers(t *testing.T) {
	for _, name := range Names {
		for _, files := range []int{1, 60} {
			t.Run(fmt.Sprint(name, files), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, name, fmt.Sprintf(twoRacks, files, "0s"))
				if s := w.system.State("r2/1"); s.Complete || s.Received > 0 {
					t.Errorf("before the word: %+v", s)
				}
				w.distribute()
				w.delivered()
				w.waitFor("the amounts are told", w.scenario.Receivers, func(s system.State) bool {
					return s.Counted && s.Received >= w.content.Size
				})
				w.waitFor("the seeder tells what it sent", w.scenario.Initial, func(s system.State) bool { return s.Sent >= w.content.Size })
				if got := w.system.Processes("r1/1"); len(got) != 1 {
					t.Errorf("the seeder has %d processes", len(got))
				}
			})
		}
	}
}

// A receiver in the middle is killed when it has a part, and started again.
func TestAKilledReceiverGoesOn(t *testing.T) {
	for _, name := range Names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, name, fmt.Sprintf(twoRacks, 1, "0s"))
			w.distribute()
			w.waitFor("it has a part", []unit.NodeID{"r2/1"}, func(s system.State) bool { return s.Received > 500_000 })
			w.fault(scenario.Kill, "r2/1")
			if left := w.system.Processes("r2/1"); len(left) > 0 {
				t.Errorf("%d processes survive", len(left))
			}
			w.waitFor("another one that needs it not is complete", []unit.NodeID{"r1/2"}, func(s system.State) bool { return s.Complete })
			if s := w.system.State("r2/1"); s.Complete || s.Failed != nil {
				t.Errorf("after the kill: %+v", s)
			}
			w.fault(scenario.Start, "r2/1")
			w.delivered()
		})
	}
}

func TestAKilledSeederGoesOn(t *testing.T) {
	for _, name := range Names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, name, fmt.Sprintf(twoRacks, 1, "0s"))
			w.distribute()
			w.waitFor("a part is there", []unit.NodeID{"r1/2"}, func(s system.State) bool { return s.Received > 500_000 })
			w.fault(scenario.Kill, "r1/1")
			w.fault(scenario.Start, "r1/1")
			w.delivered()
		})
	}
}

func TestLateReceivers(t *testing.T) {
	for _, name := range Names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, name, fmt.Sprintf(twoRacks, 1, "2s"))
			w.distribute()
			last := w.scenario.Receivers[len(w.scenario.Receivers)-1]
			if left := w.system.Processes(last); len(left) > 0 {
				t.Errorf("%s has %d processes before it joins", last, len(left))
			}
			for i, node := range w.scenario.Receivers {
				if w.scenario.Join[i] == 0 {
					continue
				}
				if err := w.system.Join(t.Context(), node); err != nil {
					t.Fatal(err)
				}
			}
			w.delivered()
		})
	}
}

// A program that ends by itself is a failure, which tells what it printed.
func TestAProgramThatEndsIsAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "libtorrent", fmt.Sprintf(twoRacks, 1, "0s"))
	p := w.system.Processes("r2/2")[0]
	p.KillGroup()
	err := wait.Until(t.Context(), time.Minute, "it is noticed", func() error {
		if s := w.system.State("r2/2"); s.Failed == nil || !strings.Contains(s.Failed.Error(), "r2/2: signal: killed") {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWhatRivalsCannot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "chain", fmt.Sprintf(twoRacks, 1, "0s"))
	for _, a := range []scenario.Action{scenario.KillStore, scenario.StartStore, scenario.Corrupt} {
		if err := w.system.Fault(t.Context(), scenario.Fault{Action: a}); !errors.Is(err, system.ErrNotApplicable) {
			t.Errorf("%s: %v", a, err)
		}
	}
	w.fault(scenario.Move, "r2/1")
	if err := w.system.Join(t.Context(), "nobody"); err == nil {
		t.Error("nobody joined")
	}
	if w.system.State("nobody").Failed == nil {
		t.Error("nobody is somewhere")
	}
}

func TestMissingProgramsAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for name, pkg := range map[string]string{"aria2": "apt-get install aria2", "http": "apt-get install curl tar", "chain": "apt-get install tar"} {
		_, err := New(name, Setup{})
		if !errors.Is(err, system.ErrMissing) || !strings.Contains(err.Error(), pkg) {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := check("libtorrent", []program{{"python3-nothing", []string{python, "-c", "import nothing"}}})
	if !errors.Is(err, system.ErrMissing) || !strings.Contains(err.Error(), "python3-nothing") {
		t.Errorf("%v", err)
	}
	if _, err := New("nothing", Setup{}); err == nil || errors.Is(err, system.ErrMissing) {
		t.Errorf("an unknown system: %v", err)
	}
}

func TestNamesAreKnown(t *testing.T) {
	for _, k := range kinds {
		if !slices.Contains(Names, k.name) {
			t.Errorf("%s is not among the names", k.name)
		}
	}
	if len(kinds) != len(Names) {
		t.Errorf("%d names of %d systems", len(Names), len(kinds))
	}
}

func TestTheOrderOfTheChain(t *testing.T) {
	for stagger, want := range map[string]string{
		"0s": "[b/1 b/2 c/1 a/1 a/2]",
		"2s": "[b/1 a/1 a/2 b/2 c/1]",
	} {
		s := networktest.Scenario(t, `
name: chain
artifact: {size: 1MB, seed: 1}
locations: {a: {uplink: 1Mbit, hosts: 2}, b: {uplink: 1Mbit, hosts: 2}, c: {uplink: 1Mbit, hosts: 1}}
host: {up: 1Mbit, down: 1Mbit}
initial: b/1
stagger: `+stagger)
		if got := fmt.Sprint(chainOrder(s)); got != want {
			t.Errorf("stagger %s: %s, want %s", stagger, got, want)
		}
	}
}
