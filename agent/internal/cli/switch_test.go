package cli

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
)

func TestDistributeTogether(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	digest := f.artifact("site")
	d := decode[api.Distribution](f, f.ok("distribute", "site", "--artifact", digest, "--path", "/srv/site", "--activate", "together",
		"--hook-before", "drain", "--hook-before", "snapshot", "--hook-after", "check", "--keep-previous", "--json"))
	if d.Activate != api.ActivateTogether || !d.KeepPrevious || !slices.Equal(d.Hooks.Before, []string{"drain", "snapshot"}) || !slices.Equal(d.Hooks.After, []string{"check"}) {
		t.Errorf("got %+v", d)
	}
	f.fails(exitFailed, []string{"activate"}, "distribute", "x", "--artifact", digest, "--path", "/srv/x", "--activate", "now")
	f.fails(exitFailed, []string{"hooks.after[0]"}, "distribute", "x", "--artifact", digest, "--path", "/srv/x", "--hook-after", "rm -rf /")
	if out := f.ok("__complete", "distribute", "x", "--activate", ""); !strings.Contains(out, "each") || !strings.Contains(out, "together") {
		t.Errorf("completes %q", out)
	}
}

// staging is a fleet in which one node has staged a version and the other failed.
func staging(t *testing.T) *fleet {
	t.Helper()
	f := newFleet(t)
	f.nodes()
	for _, version := range []string{"one", "two"} {
		f.ok("distribute", "site", "--artifact", f.artifact(version), "--path", "/srv/site", "--label", "role=web", "--activate", "together", "--keep-previous")
		if version == "one" {
			f.ok("activate", "site")
		}
	}
	f.report("site", "web1", api.PhaseStaged, func(s *api.NodeStatus) {
		s.BytesDone, s.Kept, s.KeptBytes = 3<<20, digestOf([]byte("zero")), 2<<20
	})
	f.report("site", "web2", api.PhaseFailed, func(s *api.NodeStatus) {
		s.Error = &api.Error{Code: api.CodeRefused, Subject: "hook drain", Message: "exit status 1; it said last: 3 requests left", Fix: "see to what the hook asks for"}
	})
	return f
}

func TestStatusSaysWhoBlocks(t *testing.T) {
	f := staging(t)
	f.golden("status-staged", f.ok("status", "site"))
	f.golden("status-staged-all", f.ok("status"))
}

// Nodes that wait for one that is stuck will not go on by themselves.
func TestWaitEndsWhenSomebodyBlocks(t *testing.T) {
	f := staging(t)
	c := f.start("rollback", "site", "--wait")
	f.eventually("the rollback", func() bool { return f.distribution("site").Digest == digestOf([]byte("one")) })
	f.report("site", "web1", api.PhaseStaged)
	f.report("site", "web2", api.PhaseFailed, fails)
	f.failed(f.wait(c), exitFailed, "0 of 2 nodes are done, 1 failed, 1 waiting for web2", "rackswarm activate site")
}

// A node whose hook refused after the switch does not try again by itself, and
// nobody is told that it does.
func TestWaitAfterARefusalForGood(t *testing.T) {
	f := newFleet(t)
	c := f.distributing("--hook-after", "check")
	f.report("site", "web1", api.PhaseInstalled)
	f.report("site", "web2", api.PhaseFailed, func(s *api.NodeStatus) {
		s.Error = &api.Error{Code: api.CodeRefused, Subject: "hook check", Message: "exit status 1", Fix: "see to what the hook asks for"}
	})
	r := f.wait(c)
	f.failed(r, exitPartial, "1 of 2 nodes are done, 1 failed", "then: rackswarm activate site")
	if strings.Contains(r.errOut, "go on trying") {
		t.Errorf("says %q", r.errOut)
	}
}

func TestActivate(t *testing.T) {
	f := staging(t)
	d := decode[api.Distribution](f, f.ok("activate", "site", "--json"))
	if !d.MaySwitch() || d.Generation != 2 {
		t.Errorf("got %+v", d)
	}
	if out := f.ok("activate", "site"); !strings.Contains(out, "rackswarm watch site") {
		t.Errorf("prints %q", out)
	}
	f.fails(exitFailed, []string{"nothing"}, "activate", "nothing")
	if out := f.ok("__complete", "activate", ""); !strings.Contains(out, "site") {
		t.Errorf("completes %q", out)
	}
}

func TestRollback(t *testing.T) {
	f := staging(t)
	f.ok("activate", "site")
	d := decode[api.Distribution](f, f.ok("rollback", "site", "--json"))
	if d.Digest != digestOf([]byte("one")) || d.Previous != digestOf([]byte("two")) {
		t.Errorf("got %+v", d)
	}
	f.ok("distribute", "new", "--artifact", d.Digest, "--path", "/srv/new")
	f.fails(exitFailed, []string{"no other version before"}, "rollback", "new")
}

// collector answers like an agent that holds a little too much.
type collector struct{}

func (collector) Collect(_ context.Context, dry bool) (api.Collection, error) {
	return api.Collection{Node: "web1", DryRun: dry, FreedBytes: 5 << 20, UsedBytes: 7 << 30, QuotaBytes: 10 << 30, Items: []api.CollectedItem{
		{Path: "/srv/.rackswarm-old@12345678", Bytes: 4 << 20, Reason: "staging of no distribution"},
		{Path: "/var/lib/rackswarm/manifests/ab.torrent", Bytes: 1 << 20, Reason: "manifest of nothing that is here"},
	}}, nil
}

func TestCollect(t *testing.T) {
	f := newFleet(t, func(c *control.Config) { c.Collector = collector{} })
	f.golden("gc", f.ok("gc"))
	f.golden("gc-dry-run", f.ok("gc", "--dry-run"))
	if c := decode[api.Collection](f, f.ok("gc", "--dry-run", "--json")); !c.DryRun || len(c.Items) != 2 {
		t.Errorf("got %+v", c)
	}
}
