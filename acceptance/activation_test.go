package acceptance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// setHook makes a shell script a hook of the agent, which is stopped. In the
// script $1 is the agent's root: fleet paths mean something to agents only.
func setHook(a *fleet.Agent, name, script string) {
	a.Configure(map[string]any{"hooks": map[string]any{
		name: map[string]any{"command": []string{"/bin/sh", "-c", script, name, a.Root}, "timeout": "1m"},
	}})
}

// stagedOn waits until the agent reports that it waits with what is wanted.
func stagedOn(t *testing.T, f *fleet.Fleet, name string, agents ...*fleet.Agent) {
	t.Helper()
	for _, a := range agents {
		awaitOn(t, f, name, a, "has staged it", func(n api.NodeStatus) bool { return n.Phase == api.PhaseStaged })
	}
}

// nextVersion is a tree that shares nothing but its small files with another.
func nextVersion(t *testing.T, src, version string) string {
	t.Helper()
	next := copyTree(t, src)
	write(t, filepath.Join(next, "VERSION"), version)
	random(t, filepath.Join(next, "large", "only-in-"+version), 3<<20, 0o644)
	return next
}

// Five nodes switch together: not while one is slow, not while a hook refuses on
// another, and then all of them, within a short time.
func TestSwitchTogether(t *testing.T) {
	t.Parallel()
	nodes := slices.Concat(fleet.Racks("ams1/r1", 3), fleet.Racks("ams1/r2", 2))
	f := fleet.New(t, fleet.Options{Nodes: nodes})
	slow, refusing := f.Agents()[4], f.Agents()[2]
	gate, slept := filepath.Join(t.TempDir(), "gate"), filepath.Join(t.TempDir(), "slept")
	for _, a := range f.Agents() {
		script := `test "$(cat "$1/app/VERSION")" = 1` // before the switch the old one stands
		switch a {
		case refusing:
			script += " && test -e " + gate + " || { echo the gate is shut >&2; exit 7; }"
		case slow:
			script += " && touch " + slept + " && sleep 3"
		}
		setHook(a, "drain", script)
		a.Start()
	}
	f.WaitRegistered()
	src, dest := makeTree(t), filepath.Join(f.Root, "app")
	f.CLI("distribute", "app", "--source", src, "--path", dest, "--activate", "together", "--wait")
	wantSame(t, src, dest, f.Agents()...)
	next := nextVersion(t, src, "2")
	look := watchVersion(filepath.Join(f.Agents()[0].Path(dest), "VERSION"))
	distribute := []string{"distribute", "app", "--source", next, "--path", dest, "--activate", "together", "--hook-before", "drain"}
	f.CLI(distribute...)

	fleet.Eventually(t, patience, slow.Name+" is busy", func() error { _, err := os.Stat(slept); return err })
	stagedOn(t, f, "app", without(f.Agents(), refusing)...)
	refused := awaitOn(t, f, "app", refusing, "is refused", func(n api.NodeStatus) bool {
		return n.Phase == api.PhaseFailed && n.Error.Code == api.CodeRefused
	})
	if refused.Error.Fix == "" {
		t.Errorf("no fix in %+v", refused.Error)
	}
	wantError(t, f.TryCLI(append(distribute, "--wait", "--timeout", "30s")...), "waiting for "+refusing.Name, "rackswarm activate app")
	if s := status(f, "app").Summary; !slices.Equal(s.Blockers, []string{refusing.Name}) || s.Staged != 4 {
		t.Errorf("summary %+v", s)
	}
	wantSame(t, src, dest, f.Agents()...)

	write(t, gate, "open")
	st := awaitInstalled(t, f, "app")
	wantSame(t, next, dest, f.Agents()...)
	if err := look(); err != nil {
		t.Error(err)
	}
	logSpread(t, st)
}

// logSpread says how far apart the nodes switched, by their clocks.
func logSpread(t *testing.T, st api.Status) {
	var first, last time.Time
	for _, n := range st.Nodes {
		if first.IsZero() || n.InstalledAt.Before(first) {
			first = *n.InstalledAt
		}
		if n.InstalledAt.After(last) {
			last = *n.InstalledAt
		}
	}
	t.Logf("%d nodes switched within %v", len(st.Nodes), last.Sub(first))
}

// A node that is down keeps the others waiting until they are told to go on, and
// follows when it is back.
func TestActivateWithoutOne(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3)})
	src, dest := makeTree(t), filepath.Join(f.Root, "app")
	f.CLI("distribute", "app", "--source", src, "--path", dest, "--activate", "together", "--wait")
	down := f.Agents()[2]
	down.Kill()
	next := nextVersion(t, src, "2")
	f.CLI("distribute", "app", "--source", next, "--path", dest, "--activate", "together")
	others := without(f.Agents(), down)
	stagedOn(t, f, "app", others...)
	wantSame(t, src, dest, f.Agents()...)
	if r := f.TryCLI("activate", "app", "--wait"); r.Code != 3 {
		t.Errorf("activate ends with %d:\n%s", r.Code, r.Stderr)
	}
	wantSame(t, next, dest, others...)
	wantSame(t, src, dest, down)
	down.Restart()
	awaitSame(t, next, dest, down)
}

// A node is killed in each phase of a switch. What it has staged stays, nobody
// switches without it, and in the end all have the new version.
func TestKilledWhileSwitching(t *testing.T) {
	t.Parallel()
	nodes := fleet.Racks("ams1/r1", 3)
	nodes[1].Env = []string{"RACKSWARM_LIMITS_DOWNLOAD=16Mbit"} // so that it is killed while it fetches
	f := fleet.New(t, fleet.Options{Nodes: nodes})
	gatekeeper, victim := f.Agents()[2], f.Agents()[1]
	gates, seen := t.TempDir(), filepath.Join(t.TempDir(), "seen")
	setHook(gatekeeper, "gate", `version=$(cat "$1/${RACKSWARM_STAGED#`+f.Root+`/}/VERSION") && test -e `+gates+`/$version`)
	for _, a := range without(f.Agents(), gatekeeper) {
		setHook(a, "gate", "true")
	}
	for _, a := range f.Agents() {
		setHook(a, "check", "true")
	}
	setHook(victim, "check", `cat "$1/app/VERSION" >>`+seen+`; sleep 0.3`)
	for _, a := range f.Agents() {
		a.Start()
	}
	f.WaitRegistered()
	dest := filepath.Join(f.Root, "app")
	versions := []string{makeTree(t)}
	put := func(src string) {
		f.CLI("distribute", "app", "--source", src, "--path", dest, "--activate", "together", "--keep-previous",
			"--hook-before", "gate", "--hook-after", "check")
	}
	write(t, filepath.Join(gates, "1"), "")
	put(versions[0])
	awaitInstalled(t, f, "app")

	for round := 2; round <= 6; round++ {
		old := versions[len(versions)-1]
		next := nextVersion(t, versions[0], fmt.Sprint(round))
		versions = append(versions, next)
		put(next)
		awaitOn(t, f, "app", victim, "fetches", func(n api.NodeStatus) bool { return n.Phase == api.PhaseFetching || n.Phase == api.PhaseStaged })
		victim.Kill()
		victim.Restart()
		stagedOn(t, f, "app", victim)
		before := received(on(t, f, "app", victim))
		victim.Kill()
		stagedOn(t, f, "app", f.Agents()[0])
		wantSame(t, old, dest, f.Agents()...)
		victim.Restart()
		awaitOn(t, f, "app", victim, "has it again", func(n api.NodeStatus) bool { return n.Phase == api.PhaseStaged && !n.Unreachable })
		if now := received(on(t, f, "app", victim)); now != before {
			t.Errorf("version %d: %d bytes came after a restart of a node that had all", round, now-before)
		}
		wantSame(t, old, dest, f.Agents()...)

		write(t, filepath.Join(gates, fmt.Sprint(round)), "") // they switch soon, the victim too
		time.Sleep(time.Duration(rand.IntN(2500)) * time.Millisecond)
		victim.Kill()
		if a, b := differs(old, victim.Path(dest)), differs(next, victim.Path(dest)); a != nil && b != nil {
			t.Fatalf("neither version stands: %v", errors.Join(a, b))
		}
		victim.Restart()
		awaitInstalled(t, f, "app")
		wantSame(t, next, dest, f.Agents()...)
	}
	if text, err := os.ReadFile(seen); err != nil || len(text) < len(versions) {
		t.Errorf("the hook saw %q, %v", text, err)
	}
}

// A hook that fails after the switch brings the version before back on its node,
// also when the agent was killed in between.
func TestRefusedAfterTheSwitch(t *testing.T) {
	t.Parallel()
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	good, bad := f.Agents()[0], f.Agents()[1]
	begun := filepath.Join(t.TempDir(), "begun")
	setHook(good, "check", "true")
	setHook(bad, "check", "touch "+begun+"; exec sleep 60")
	good.Start()
	bad.Start()
	f.WaitRegistered()
	src, dest := makeTree(t), filepath.Join(f.Root, "app")
	f.CLI("distribute", "app", "--source", src, "--path", dest, "--wait")
	next := nextVersion(t, src, "2")
	f.CLI("distribute", "app", "--source", next, "--path", dest, "--hook-after", "check")
	fleet.Eventually(t, patience, "the hook looks", func() error { _, err := os.Stat(begun); return err })
	wantSame(t, next, dest, bad)
	bad.Kill()
	setHook(bad, "check", "echo it is broken; exit 1")
	bad.Restart()
	n := awaitOn(t, f, "app", bad, "refuses", func(n api.NodeStatus) bool { return n.Phase == api.PhaseFailed && n.Error.Code == api.CodeRefused })
	wantSame(t, src, dest, bad)
	awaitSame(t, next, dest, good)
	sent := on(t, f, "app", good).Sent
	bad.Stop()
	setHook(bad, "check", "true")
	bad.Restart()
	awaitInstalled(t, f, "app")
	wantSame(t, next, dest, bad)
	if more := on(t, f, "app", good).Sent - sent; more != 0 {
		t.Errorf("%d bytes moved for another try; before it was %+v", more, n)
	}
}

// Back to the version before and forward again, without a byte from anywhere.
func TestRollbackMovesNothing(t *testing.T) {
	t.Parallel()
	f := fleet.Start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3)})
	src, dest := makeTree(t), filepath.Join(f.Root, "app")
	next := nextVersion(t, src, "2")
	for _, version := range []string{src, next} {
		f.CLI("distribute", "app", "--source", version, "--path", dest, "--keep-previous", "--wait")
	}
	for i, want := range []string{src, next, src} {
		if i == 1 {
			f.Agents()[1].Kill()
			f.Agents()[1].Restart()
		}
		f.CLI("rollback", "app", "--wait")
		wantSame(t, want, dest, f.Agents()...)
		for _, n := range status(f, "app").Nodes {
			if received(n) != 0 || n.BytesReused != n.BytesTotal || n.Kept == "" || n.KeptBytes == 0 {
				t.Errorf("rollback %d: %s reports %+v", i+1, n.Node, n)
			}
		}
	}
	var d api.Distribution
	f.JSON(&d, "distribute", "app", "--artifact", status(f, "app").Distribution.Digest, "--path", dest)
	for _, a := range f.Agents() {
		fleet.Eventually(t, patience, a.Name+" keeps nothing", func() error {
			left, err := filepath.Glob(filepath.Join(a.Root, ".rackswarm-*"))
			if err == nil && left != nil {
				err = fmt.Errorf("left: %v", left)
			}
			return err
		})
	}
	wantError(t, f.TryCLI("rm", "--artifact", d.Digest), "app")
	f.CLI("rm", "--artifact", d.Previous)
	wantError(t, f.TryCLI("rollback", "app"), d.Previous, "not published any more")
}

// A node that may not hold a second version says so, and takes it when what
// nothing needs is gone. Nothing that is needed ever goes.
func TestQuotaAndCollection(t *testing.T) {
	t.Parallel()
	nodes := fleet.Racks("ams1/r1", 2)
	nodes[1].NoPublisherKey = true
	f := fleet.New(t, fleet.Options{Nodes: nodes})
	seed, small := f.Agents()[0], f.Agents()[1]
	small.Configure(map[string]any{"storage": map[string]any{"quota": "8MB"}})
	seed.Start()
	small.Start()
	f.WaitRegistered()
	src, dest := makeTree(t), filepath.Join(f.Root, "app")
	f.CLI("distribute", "app", "--source", src, "--path", dest, "--wait")
	next := nextVersion(t, src, "2")
	r := f.TryCLI("distribute", "app", "--source", next, "--path", dest, "--wait")
	if r.Code != 3 {
		t.Errorf("distribute ends with %d:\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	n := awaitOn(t, f, "app", small, "is full", func(n api.NodeStatus) bool { return n.Phase == api.PhaseFailed && n.Error.Code == api.CodeQuota })
	if n.Error.Fix == "" || received(n) != 0 {
		t.Errorf("it reports %+v, %+v", n, n.Error)
	}
	wantSame(t, src, dest, small)
	awaitSame(t, next, dest, seed)

	var nodesNow api.NodeList
	f.JSON(&nodesNow, "nodes")
	for _, n := range nodesNow.Nodes {
		if n.UsedBytes == 0 || (n.Name == small.Name) != (n.QuotaBytes == 8_000_000) {
			t.Errorf("%s holds %d of %d bytes", n.Name, n.UsedBytes, n.QuotaBytes)
		}
	}
	small.Stop()
	small.Configure(map[string]any{"storage": nil})
	small.Restart()
	awaitSame(t, next, dest, small)

	// A manifest that nothing is about any more, and a foreign directory.
	manifests := filepath.Join(small.StateDir, "manifests")
	rubbish := filepath.Join(manifests, fmt.Sprintf("%064d.torrent", 7))
	write(t, rubbish, "of nothing")
	foreign := filepath.Join(small.Root, ".rackswarm-other@12345678")
	must(t, os.Mkdir(foreign, 0o700))
	then := time.Now().Add(-48 * time.Hour)
	for _, path := range []string{rubbish, foreign} {
		must(t, os.Chtimes(path, then, then))
	}
	var dry, done api.Collection
	for i, out := range []*api.Collection{&dry, &done} {
		args := [][]string{{"gc", "--dry-run"}, {"gc"}}[i]
		f.JSON(out, append(args, "--endpoint", small.Endpoint())...)
		if len(out.Items) != 1 || out.Items[0].Path != rubbish || out.DryRun != (i == 0) || out.Node != small.Name || out.UsedBytes == 0 {
			t.Errorf("%v: %+v", args, out)
		}
	}
	if _, err := os.Stat(rubbish); err == nil {
		t.Error("the manifest is still there")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("another agent's staging: %v", err)
	}
	wantSame(t, next, dest, small, seed)
	seed.Stop() // with the store
	wantError(t, f.TryCLI("gc", "--endpoint", small.Endpoint()), "store")
}
