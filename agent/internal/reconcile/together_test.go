package reconcile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

func TestCount(t *testing.T) {
	d := api.Distribution{Name: "site", Digest: "d", Generation: 2, State: api.StatePresent, Activate: api.ActivateTogether,
		Selector: api.Selector{Labels: map[string]string{"role": "web"}}}
	node := func(name string, alive bool) api.Node {
		return api.Node{Name: name, Alive: alive, Labels: map[string]string{"role": "web"}}
	}
	staged := func(name string) api.NodeStatus {
		return api.NodeStatus{Node: name, Phase: api.PhaseStaged, Digest: "d", Generation: 2}
	}
	stands := api.NodeStatus{Node: "b", Phase: api.PhaseInstalled, Digest: "d", Installed: "d", Generation: 2}
	failed := api.NodeStatus{Node: "b", Phase: api.PhaseFailed, Digest: "d", Generation: 2}
	for _, c := range []struct {
		name    string
		nodes   []api.Node
		reports []api.NodeStatus
		want    vote
	}{
		{"all have it", []api.Node{node("b", true), node("a", true), {Name: "db", Alive: true}}, []api.NodeStatus{staged("a"), staged("b")}, vote{2, true, true}},
		{"one has it in place", []api.Node{node("a", true), node("b", true)}, []api.NodeStatus{staged("a"), stands}, vote{2, true, true}},
		{"one never reported", []api.Node{node("a", true), node("b", true)}, []api.NodeStatus{staged("a")}, vote{2, false, true}},
		{"one failed", []api.Node{node("a", true), node("b", true)}, []api.NodeStatus{staged("a"), failed}, vote{2, false, true}},
		{"one is down", []api.Node{node("a", true), node("b", false)}, []api.NodeStatus{staged("a"), staged("b")}, vote{2, false, true}},
		{"the first is down", []api.Node{node("0", false), node("a", true)}, []api.NodeStatus{staged("a")}, vote{2, false, true}},
		{"another is first", []api.Node{node("0", true), node("a", true)}, []api.NodeStatus{staged("a"), staged("0")}, vote{2, true, false}},
		{"nobody is selected", []api.Node{{Name: "a", Alive: true}}, nil, vote{0, false, false}},
	} {
		if got := count(d, "a", c.nodes, c.reports); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A decision is for one generation, and made once.
func TestActivateOnce(t *testing.T) {
	f := newFleet(t)
	d := f.want(api.Distribution{Name: "site", Digest: "d", Path: "/srv/site", Activate: api.ActivateTogether})
	now := func() api.Distribution {
		all, err := f.store.Distributions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	old := d
	d = f.want(d)
	if err := activate(t.Context(), f.store, old); err != nil || now().MaySwitch() {
		t.Fatalf("overtaken: %+v, %v", now(), err)
	}
	for range 2 {
		if err := activate(t.Context(), f.store, d); err != nil || now().Activated != d.Generation {
			t.Fatalf("%+v, %v", now(), err)
		}
	}
}

// versions publishes two versions at a seed that is no target.
func versions(f *fleet) (first, second files, one, two *artifact.Manifest) {
	seed := f.add("seed")
	first, second = bigFiles(6, "first"), bigFiles(6, "second")
	return first, second, seed.publish(first, "one", publisher), seed.publish(second, "two", publisher)
}

// addDown adds a node that the store knows, and that is down.
func (f *fleet) addDown(name string, labels ...string) {
	f.t.Helper()
	n := f.add(name, labels...)
	f.eventually(name+" is known", func() bool {
		all, err := f.store.Nodes(context.Background())
		return err == nil && slices.ContainsFunc(all, func(n api.Node) bool { return n.Name == name })
	})
	n.stop()
}

func (n *node) untilStaged(d api.Distribution) api.NodeStatus {
	n.f.t.Helper()
	return n.until(d.Name, "staged", func(s api.NodeStatus) bool {
		return s.Phase == api.PhaseStaged && s.Generation == d.Generation && s.Digest == d.Digest
	})
}

// A node stages, waits over restarts of itself and outages of the store, keeps up
// what stands, and switches when that is decided.
func TestStagedContentWaits(t *testing.T) {
	f := newFleet(t)
	first, second, one, two := versions(f)
	web := f.add("web", "role=web")
	d := web.on("site", one.Digest().String())
	web.untilInstalled(f.want(d))
	f.addDown("zdown", "role=web") // a target of what follows, which nobody hears of

	d.Digest, d.Activate = two.Digest().String(), api.ActivateTogether
	d.Selector = api.Selector{Labels: map[string]string{"role": "web"}}
	d = f.want(d)
	web.untilStaged(d)
	mustStand(t, web, d.Path, first)
	moved := f.net.moved()

	if err := os.Remove(filepath.Join(d.Path, "README")); err != nil {
		t.Fatal(err)
	}
	f.eventually("what stands is repaired meanwhile", func() bool { return at(t, d.Path)["README"] == first["README"] })
	repair := f.net.moved() - moved
	d = f.want(d) // a generation that changes nothing here
	web.untilStaged(d)
	web.restart()
	f.eventually("it waits again", func() bool { return web.status("site").Phase == api.PhaseStaged })
	f.stopStore()
	web.restart()
	f.startStore()
	web.untilStaged(d)
	mustStand(t, web, d.Path, first)
	if n := f.net.moved() - moved - repair; n != 0 {
		t.Errorf("%d spans were fetched again", n)
	}
	if err := activate(context.Background(), f.store, d); err != nil {
		t.Fatal(err)
	}
	d.Activated = d.Generation
	web.untilInstalled(d)
	mustStand(t, web, d.Path, second)
	f.eventually("nothing is left", func() bool { return leftovers(t, web) == nil })
}

// leftovers are what stands beside distributions in a node's root.
func leftovers(t *testing.T, n *node) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(n.root, ".rackswarm-*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// The first node that is alive decides; nobody has to be asked.
func TestTheFirstDecides(t *testing.T) {
	f := newFleet(t)
	first, _, one, _ := versions(f)
	web := f.add("web")
	d := web.on("site", one.Digest().String())
	d.Activate = api.ActivateTogether
	d = f.want(d)
	web.untilInstalled(d)
	mustStand(t, web, d.Path, first)
}

// What was staged is given up when another version is wanted, or the one that
// stands.
func TestStagedContentIsOvertaken(t *testing.T) {
	f := newFleet(t)
	first, second, one, two := versions(f)
	third := bigFiles(6, "third")
	three := f.nodes[0].publish(third, "three", publisher)
	web := f.add("web", "role=web")
	f.addDown("zdown", "role=web")
	d := web.on("site", one.Digest().String())
	web.untilInstalled(f.want(d))
	d.Activate, d.Selector = api.ActivateTogether, api.Selector{Labels: map[string]string{"role": "web"}}
	for _, m := range []*artifact.Manifest{two, three} {
		d.Digest = m.Digest().String()
		d = f.want(d)
		web.untilStaged(d)
		mustStand(t, web, d.Path, first)
	}
	d.Digest = one.Digest().String()
	web.untilInstalled(f.want(d))
	f.eventually("nothing is left", func() bool { return leftovers(t, web) == nil })
	d.Digest = two.Digest().String()
	d = f.want(d)
	web.untilStaged(d)
	d.Activate = api.ActivateEach
	web.untilInstalled(f.want(d))
	mustStand(t, web, d.Path, second)
}

func script(text string) hook.Command {
	return hook.Command{Argv: []string{"/bin/sh", "-c", text}, Timeout: time.Minute}
}

// A hook that refuses before the switch is asked again, and nothing is fetched
// for that.
func TestHookBeforeTheSwitch(t *testing.T) {
	f := newFleet(t)
	first, second, one, two := versions(f)
	web := f.add("web")
	flag := filepath.Join(t.TempDir(), "drained")
	web.stop()
	web.hooks = hook.Set{"drain": script(`test -e ` + flag + ` && test "$(cat $RACKSWARM_STAGED/README)" = "about second" && test "$(cat $RACKSWARM_PATH/README)" = "about first"`)}
	web.start()
	d := web.on("site", one.Digest().String())
	web.untilInstalled(f.want(d))
	d.Digest, d.Hooks.Before = two.Digest().String(), []string{"drain"}
	d = f.want(d)
	if e := web.untilFailed("site", api.CodeRefused); e.Subject != "hook drain" {
		t.Errorf("error %+v", e)
	}
	mustStand(t, web, d.Path, first)
	moved := f.net.moved()
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	web.untilInstalled(d)
	mustStand(t, web, d.Path, second)
	if n := f.net.moved() - moved; n != 0 {
		t.Errorf("%d spans were fetched after the hook had refused", n)
	}
	if left := leftovers(t, web); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// A hook that refuses after the switch brings back what stood before, or nothing
// if nothing did, and is left alone until it, or what is wanted, is another.
func TestHookAfterTheSwitch(t *testing.T) {
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprintf("something stood before %v", before), func(t *testing.T) {
			f := newFleet(t)
			first, second, one, two := versions(f)
			web := f.add("web")
			ran := filepath.Join(t.TempDir(), "ran")
			web.stop()
			web.hooks = hook.Set{"check": script(`cat $RACKSWARM_PATH/README >>` + ran + `; echo site is down >&2; exit 1`)}
			web.start()
			d := web.on("site", one.Digest().String())
			if before {
				web.untilInstalled(f.want(d))
			} else {
				first = nil
			}
			d.Digest, d.Hooks.After = two.Digest().String(), []string{"check"}
			d = f.want(d)
			e := web.untilFailed("site", api.CodeRefused)
			if e.Subject != "hook check" || !strings.Contains(e.Fix, "rackswarm activate site") || strings.Contains(e.Fix, "is back") != before {
				t.Errorf("error %+v", e)
			}
			mustStand(t, web, d.Path, first)
			web.until("site", "keeps what was refused", func(s api.NodeStatus) bool { return s.Kept == d.Digest && s.KeptBytes > 0 })
			moved := f.net.moved()
			for range 2 {
				web.restart()
				web.untilFailed("site", api.CodeRefused)
			}
			if before {
				if err := os.Remove(filepath.Join(d.Path, "README")); err != nil {
					t.Fatal(err)
				}
				f.eventually("what is back is kept up", func() bool { return at(t, d.Path)["README"] == first["README"] })
				moved = f.net.moved()
			}
			if text, err := os.ReadFile(ran); err != nil || string(text) != "about second" {
				t.Errorf("the hook saw %q, %v; want one look at the new content", text, err)
			}
			web.stop()
			web.hooks = hook.Set{"check": script(`test "$(cat $RACKSWARM_PATH/README)" = "about second"`)}
			web.start()
			web.untilInstalled(d)
			mustStand(t, web, d.Path, second)
			if n := f.net.moved() - moved; n != 0 {
				t.Errorf("%d spans were fetched to try again", n)
			}
			f.eventually("nothing is left", func() bool { return leftovers(t, web) == nil && web.status("site").Kept == "" })
		})
	}
}

// The agent ends while hooks look at what was switched to. It looks again; and
// if something else is wanted by then, what was on trial does not count.
func TestEndDuringTrial(t *testing.T) {
	for _, c := range []struct {
		name  string
		wants func(d *api.Distribution, one, two, three *artifact.Manifest)
		then  int // which version stands in the end
	}{
		{"the same", func(*api.Distribution, *artifact.Manifest, *artifact.Manifest, *artifact.Manifest) {}, 2},
		{"the one before", func(d *api.Distribution, one, _, _ *artifact.Manifest) { d.Digest = one.Digest().String() }, 1},
		{"another", func(d *api.Distribution, _, _, three *artifact.Manifest) { d.Digest = three.Digest().String() }, 3},
		{"another that is refused", func(d *api.Distribution, _, _, three *artifact.Manifest) {
			d.Digest, d.Hooks.After = three.Digest().String(), []string{"never"}
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleet(t)
			first, second, one, two := versions(f)
			third := bigFiles(6, "third")
			three := f.nodes[0].publish(third, "three", publisher)
			web := f.add("web")
			fifo := filepath.Join(t.TempDir(), "looking")
			web.stop()
			web.hooks = hook.Set{"check": script(`touch ` + fifo + `; exec sleep 100`), "never": script("exit 1")}
			web.start()
			d := web.on("site", one.Digest().String())
			web.untilInstalled(f.want(d))
			d.Digest, d.Hooks.After = two.Digest().String(), []string{"check"}
			d = f.want(d)
			f.eventually("the hook looks", func() bool { _, err := os.Stat(fifo); return err == nil })
			web.stop()
			mustStand(t, web, d.Path, second)
			c.wants(&d, one, two, three)
			moved := f.net.moved()
			if d.Digest == two.Digest().String() {
				web.hooks["check"] = script("true")
			} else { // what the node remembers to be wanted must not pass before it reads the store
				web.hooks["check"] = script(`test "$(cat $RACKSWARM_PATH/README)" != "about second" || exec sleep 100`)
				d = f.want(d)
			}
			web.start()
			if c.name == "another that is refused" {
				web.untilFailed("site", api.CodeRefused)
			} else {
				web.untilInstalled(d)
			}
			mustStand(t, web, d.Path, []files{first, second, third}[c.then-1])
			if n := f.net.moved() - moved; n != 0 && d.Digest != three.Digest().String() {
				t.Errorf("%d spans were fetched", n)
			}
			f.eventually("the trial is over", func() bool { return web.recorded("site").Trial == nil })
		})
	}
}

// A stop comes while a hook looks at what the node has switched to: the switch ends,
// also after a restart of the agent, and nobody kills the hook.
func TestStopLetsASwitchEnd(t *testing.T) {
	for _, c := range []struct {
		name     string
		restarts bool
		refuses  bool
	}{{"", false, false}, {"restarted", true, false}, {"refused", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleet(t)
			first, second, one, two := versions(f)
			web := f.add("web")
			looks, proceed := filepath.Join(t.TempDir(), "looks"), filepath.Join(t.TempDir(), "go on")
			web.stop()
			end := map[bool]string{false: "true", true: "exit 1"}[c.refuses]
			web.hooks = hook.Set{"check": script(`echo >>` + looks + `; until test -e '` + proceed + `'; do sleep .01; done; ` + end)}
			web.start()
			d := web.on("site", one.Digest().String())
			web.untilInstalled(f.want(d))
			d.Digest, d.Hooks.After = two.Digest().String(), []string{"check"}
			d = f.want(d)
			f.eventually("the hook looks", func() bool { _, err := os.Stat(looks); return err == nil })
			stop := api.Hold{Kind: api.HoldStop, Distribution: "site", Created: d.CreatedAt, Generation: d.Generation}
			err := f.store.UpdateHolds(t.Context(), func(map[string]api.Hold) ([]api.Hold, []string, error) { return []api.Hold{stop}, nil, nil })
			if err != nil {
				t.Fatal(err)
			}
			f.eventually("the node has heard of the stop", func() bool {
				known, err := web.r.OperatorHolds(t.Context())
				return err == nil && len(known) == 1
			})
			mustStand(t, web, d.Path, second)
			if c.restarts {
				web.restart()
			}
			if err := os.WriteFile(proceed, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			stands := second
			if c.refuses {
				stands = first
				web.untilFailed("site", api.CodeRefused)
			} else {
				web.untilInstalled(d)
			}
			mustStand(t, web, d.Path, stands)
			f.eventually("the trial is over", func() bool { return web.recorded("site").Trial == nil })
			if text, err := os.ReadFile(looks); err != nil || len(text) != 1 && !c.restarts {
				t.Errorf("the hook looked %d times, %v", len(text), err)
			}
		})
	}
}

// A hook refuses the first version, which took the place of something that is not
// ours: that comes back, also if the agent ends while the hook looks.
func TestRefusedOverForeignContent(t *testing.T) {
	for _, c := range []struct {
		name string
		ends bool
		wait string // what the hook does at first
	}{
		{"at once", false, "exit 1"},
		{"after the agent's end", true, "exec sleep 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleet(t)
			_, second, one, two := versions(f)
			web := f.add("web")
			looking := filepath.Join(t.TempDir(), "looking")
			web.stop()
			web.hooks = hook.Set{"check": script(`touch ` + looking + `; ` + c.wait)}
			web.start()
			foreign := files{"precious": "not ours"}
			d := web.on("site", one.Digest().String())
			foreign.write(t, d.Path)
			d.Overwrite, d.Hooks.After = true, []string{"check"}
			d = f.want(d)
			if c.ends {
				f.eventually("the hook looks", func() bool { _, err := os.Stat(looking); return err == nil })
				web.stop()
				web.hooks["check"] = script("exit 1")
				web.start()
			}
			web.untilFailed("site", api.CodeRefused)
			mustStand(t, web, d.Path, foreign)
			mustStand(t, web, d.Path+".before-rackswarm", nil)
			web.until("site", "keeps what was refused", func(s api.NodeStatus) bool { return s.Kept == d.Digest })

			d.Digest, d.Hooks.After = two.Digest().String(), nil
			web.untilInstalled(f.want(d))
			mustStand(t, web, d.Path, second)
			mustStand(t, web, d.Path+".before-rackswarm", foreign)
		})
	}
}

// recorded is what the node remembers on its disk.
func (n *node) recorded(dist string) Record {
	n.f.t.Helper()
	var rec Record
	if err := readJSON((&stateDir{dir: filepath.Join(n.state, "reconcile")}).recordFile(dist), &rec); err != nil {
		n.f.t.Fatal(err)
	}
	return rec
}

// With keep_previous a rollback and the way forward again move nothing, though
// nobody else has the content any more.
func TestRollbackMovesNothing(t *testing.T) {
	for _, activated := range []string{api.ActivateEach, api.ActivateTogether} {
		t.Run(activated, func(t *testing.T) {
			f := newFleet(t)
			first, second, one, two := versions(f)
			web := f.add("web")
			d := web.on("site", one.Digest().String())
			d.Activate, d.KeepPrevious = activated, true
			web.untilInstalled(f.want(d))
			swap := func(m, previous *artifact.Manifest) {
				d.Digest, d.Previous = m.Digest().String(), previous.Digest().String()
				d = f.want(d)
				web.untilInstalled(d)
				web.until("site", "keeps the other", func(s api.NodeStatus) bool { return s.Kept == d.Previous && s.KeptBytes > 0 })
			}
			swap(two, one)
			mustStand(t, web, d.Path, second)
			f.net.block(true)
			moved := f.net.moved()
			swap(one, two)
			mustStand(t, web, d.Path, first)
			web.restart()
			swap(two, one)
			mustStand(t, web, d.Path, second)
			s := web.status("site")
			if f.net.moved() != moved || s.Received.Seeder != 0 || s.BytesReused != s.BytesTotal {
				t.Errorf("%d spans moved; %+v", f.net.moved()-moved, s)
			}
			d.KeepPrevious = false
			web.untilInstalled(f.want(d))
			f.eventually("nothing is kept any more", func() bool { return leftovers(t, web) == nil && web.status("site").Kept == "" })
		})
	}
}

// Other modes of the same content are switched to like other content.
func TestModesWaitToo(t *testing.T) {
	f := newFleet(t)
	_, _, one, _ := versions(f)
	web := f.add("web", "role=web")
	f.addDown("zdown", "role=web")
	d := web.on("site", one.Digest().String())
	web.untilInstalled(f.want(d))
	d.Mode, d.Activate, d.Selector = "0700", api.ActivateTogether, api.Selector{Labels: map[string]string{"role": "web"}}
	d = f.want(d)
	web.untilStaged(d)
	mode := func() os.FileMode {
		info, err := os.Stat(d.Path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if mode() != 0o755 {
		t.Errorf("mode %v before the switch", mode())
	}
	if err := activate(t.Context(), f.store, d); err != nil {
		t.Fatal(err)
	}
	d.Activated = d.Generation
	web.untilInstalled(d)
	if mode() != 0o700 {
		t.Errorf("mode %v after the switch", mode())
	}
}
