package control_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

func TestDistributionLifeCycle(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	digest, other := f.artifact(1), f.artifact(2)

	want := api.Distribution{Name: "app", Digest: digest, Path: "/srv/app", Selector: api.Selector{Locations: []string{"ams1"}}}
	d, err := f.client.PutDistribution(f.ctx, want)
	f.must(err)
	if d.Generation != 1 || d.State != api.StatePresent || d.CreatedAt.IsZero() {
		t.Fatalf("created %+v", d)
	}
	again, err := f.client.PutDistribution(f.ctx, want)
	f.must(err)
	if !reflect.DeepEqual(again, d) {
		t.Fatalf("an unchanged put made\n%+v of\n%+v", again, d)
	}
	want.Digest = other
	d, err = f.client.PutDistribution(f.ctx, want)
	f.must(err)
	if d.Generation != 2 || d.Digest != other {
		t.Fatalf("changed %+v", d)
	}
	d, err = f.client.Verify(f.ctx, "app")
	f.must(err)
	if d.Generation != 2 || d.VerifyGeneration != 1 {
		t.Fatalf("verify %+v", d)
	}
	all, err := f.client.Distributions(f.ctx)
	f.must(err)
	if len(all) != 1 || !reflect.DeepEqual(all[0], d) {
		t.Fatalf("listed %+v", all)
	}
	f.must(f.client.DeleteDistribution(f.ctx, "app", false))
	if _, err := f.client.Distribution(f.ctx, "app"); !client.IsNotFound(err) {
		t.Fatalf("after deletion: %v", err)
	}
}

// A late report on a deleted distribution must not count for a new one of the
// same name.
func TestNewDistributionOutlivesOldReports(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	digest := f.artifact(1)
	f.report("app", api.NodeStatus{Node: "web1", Phase: api.PhaseInstalled, Digest: digest, Installed: digest, Generation: 1})
	d, err := f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"})
	f.must(err)
	st, err := f.client.Status(f.ctx, "app")
	f.must(err)
	if d.Generation != 2 || st.Summary.Done {
		t.Fatalf("generation %d, summary %+v", d.Generation, st.Summary)
	}
}

func TestDistributionErrors(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", map[string]string{"role": "web"})
	digest := f.artifact(1)
	good := api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"}
	_, err := f.client.PutDistribution(f.ctx, good)
	f.must(err)

	put := func(change func(*api.Distribution)) error {
		d := good
		d.Name, d.Path = "other", "/srv/other"
		change(&d)
		_, err := f.client.PutDistribution(f.ctx, d)
		return err
	}
	for _, c := range []struct {
		name          string
		err           error
		code, subject string
	}{
		{"field", put(func(d *api.Distribution) { d.Path = "srv" }), api.CodeInvalid, "path"},
		{"name", put(func(d *api.Distribution) { d.Name = "-x" }), api.CodeInvalid, "name"},
		{"artifact", put(func(d *api.Distribution) { d.Digest = digestOf(9) }), api.CodeNotFound, digestOf(9)},
		{"nobody", put(func(d *api.Distribution) { d.Selector.Locations = []string{"fra1"} }), api.CodeNoTargets, "selector"},
		{"same path", put(func(d *api.Distribution) { d.Path = "/srv/app" }), api.CodeConflict, "path"},
		{"nested", put(func(d *api.Distribution) { d.Path = "/srv/app/x" }), api.CodeConflict, "path"},
		{"delete unknown", f.client.DeleteDistribution(f.ctx, "nope", true), api.CodeNotFound, "nope"},
		{"artifact in use", f.client.DeleteArtifact(f.ctx, digest), api.CodeInUse, digest},
		{"artifact unknown", f.client.DeleteArtifact(f.ctx, digestOf(9)), api.CodeNotFound, digestOf(9)},
		{"node alive", f.client.ForgetNode(f.ctx, "web1"), api.CodeInUse, "web1"},
		{"node unknown", f.client.ForgetNode(f.ctx, "web9"), api.CodeNotFound, "web9"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, c.err, c.code, c.subject) })
	}
	_, err = f.client.Verify(f.ctx, "nope")
	wantError(t, err, api.CodeNotFound, "nope")
	f.must(put(func(d *api.Distribution) { d.Selector.Locations, d.AllowEmpty = []string{"fra1"}, true }))
}

// Of many who claim one path at the same time, one wins.
func TestRacingCreators(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	digest := f.artifact(1)
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			d := api.Distribution{Name: fmt.Sprintf("app%d", i), Digest: digest, Path: "/srv/app" + strings.Repeat("/x", i%3)}
			_, errs[i] = f.client.PutDistribution(f.ctx, d)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if code(err) != api.CodeConflict {
			t.Errorf("a loser got %v", err)
		}
	}
	all, err := f.client.Distributions(f.ctx)
	f.must(err)
	if won != 1 || len(all) != 1 {
		t.Fatalf("%d creators won; %d distributions stand", won, len(all))
	}
}

// Whoever of a creator and a withdrawer comes first, no distribution is left
// without its artifact.
func TestCreatorAgainstWithdrawer(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	for i := range 20 {
		digest := f.artifact(byte(i + 1))
		d := api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"}
		var put, withdraw error
		var wg sync.WaitGroup
		wg.Go(func() { _, put = f.client.PutDistribution(f.ctx, d) })
		wg.Go(func() { withdraw = f.client.DeleteArtifact(f.ctx, digest) })
		wg.Wait()
		if put == nil && withdraw == nil {
			t.Fatal("both succeeded")
		}
		if put == nil {
			if _, err := f.client.Artifact(f.ctx, digest); err != nil {
				t.Fatalf("the distribution stands without its artifact: %v", err)
			}
			f.must(f.client.DeleteDistribution(f.ctx, "app", false))
		} else if _, err := f.client.Distribution(f.ctx, "app"); !client.IsNotFound(err) {
			t.Fatalf("after %v the distribution stands: %v", put, err)
		}
	}
}

func TestRemovalEndsWhenNodesReport(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	f.node("web2", "ams1/r2", nil)
	d, err := f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: f.artifact(1), Path: "/srv/app"})
	f.must(err)
	f.must(f.client.DeleteDistribution(f.ctx, "app", true))
	f.must(f.client.DeleteDistribution(f.ctx, "app", true))
	absent, err := f.client.Distribution(f.ctx, "app")
	f.must(err)
	if absent.State != api.StateAbsent || absent.Generation != d.Generation+1 {
		t.Fatalf("while being removed: %+v", absent)
	}
	if _, err := f.client.Verify(f.ctx, "app"); code(err) != api.CodeConflict {
		t.Fatalf("verify while being removed: %v", err)
	}
	removed := api.NodeStatus{Node: "web1", Phase: api.PhaseRemoved, Generation: absent.Generation}
	f.report("app", removed)
	st, err := f.client.Status(f.ctx, "app")
	f.must(err)
	if st.Summary.Done || st.Summary.Converged != 1 {
		t.Fatalf("with one node left: %+v", st.Summary)
	}
	removed.Node = "web2"
	f.report("app", removed)
	if err := f.client.Watch(f.ctx, "app", true, func(st api.Status) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.Status(f.ctx, "app"); !client.IsNotFound(err) {
		t.Fatalf("after removal: %v", err)
	}
	left, err := f.store.Statuses(f.ctx, "app")
	f.must(err)
	if len(left) != 0 {
		t.Fatalf("reports stay: %+v", left)
	}
}

// Nodes that are down get a moment to come back, not more.
func TestRemovalWithNodesDown(t *testing.T) {
	now := time.Now()
	f := serve(t, func(c *control.Config) { c.Now = func() time.Time { return now } })
	f.node("web1", "ams1/r1", nil)
	f.must(f.store.RemoveNode(f.ctx, "web1"))
	_, err := f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: f.artifact(1), Path: "/srv/app"})
	f.must(err)
	f.must(f.client.DeleteDistribution(f.ctx, "app", true))
	st, err := f.client.Status(f.ctx, "app")
	f.must(err)
	if st.Summary.Done || st.Summary.Offline != 1 {
		t.Fatalf("at once: %+v", st.Summary)
	}
	now = now.Add(time.Minute)
	st, err = f.client.Status(f.ctx, "app")
	f.must(err)
	if !st.Summary.Done {
		t.Fatalf("later: %+v", st.Summary)
	}
}

func TestWithdrawArtifact(t *testing.T) {
	calls := make(chan string, 1)
	f := serve(t, func(c *control.Config) { c.Publisher = scripted{unpublished: calls} })
	f.node("web1", "ams1/r1", nil)
	digest := f.artifact(1)
	_, err := f.client.PutDistribution(f.ctx, api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"})
	f.must(err)
	e := wantError(t, f.client.DeleteArtifact(f.ctx, digest), api.CodeInUse, digest)
	if !strings.Contains(e.Message, "app") {
		t.Errorf("the error does not name the distribution: %v", e)
	}
	f.must(f.client.DeleteDistribution(f.ctx, "app", false))
	f.must(f.client.DeleteArtifact(f.ctx, digest))
	if got := <-calls; got != digest {
		t.Errorf("unpublished %s", got)
	}
	if _, err := f.client.Artifact(f.ctx, digest); !client.IsNotFound(err) {
		t.Fatalf("after deletion: %v", err)
	}
}

func TestLists(t *testing.T) {
	f := serve(t, nil)
	nodes, err := f.client.Nodes(f.ctx)
	f.must(err)
	artifacts, err := f.client.Artifacts(f.ctx)
	f.must(err)
	if len(nodes)+len(artifacts) != 0 {
		t.Fatalf("an empty fleet has %v and %v", nodes, artifacts)
	}
	f.node("web2", "ams1/r1", nil)
	f.node("web1", "ams1/r1", nil)
	f.must(f.store.RemoveNode(f.ctx, "web1"))
	f.artifact(1)
	nodes, err = f.client.Nodes(f.ctx)
	f.must(err)
	if len(nodes) != 2 || nodes[0].Name != "web1" || nodes[0].Alive || !nodes[1].Alive {
		t.Fatalf("nodes %+v", nodes)
	}
	f.must(f.client.ForgetNode(f.ctx, "web1"))
	artifacts, err = f.client.Artifacts(f.ctx)
	f.must(err)
	if len(artifacts) != 1 || artifacts[0].Seeds[0] != "web1" {
		t.Fatalf("artifacts %+v", artifacts)
	}
	info, err := f.client.Info(f.ctx)
	f.must(err)
	if info.Node != "web1" || !info.StoreOK || info.APIVersion != "v1" {
		t.Fatalf("info %+v", info)
	}
}

func TestStoreDown(t *testing.T) {
	st, embedded := openStore(t)
	f := serveOn(t, st, nil)
	f.must(embedded.Close())
	info, err := f.client.Info(f.ctx)
	f.must(err)
	if info.StoreOK {
		t.Error("the store counts as fine")
	}
	if _, err := f.client.Nodes(f.ctx); code(err) != api.CodeStoreDown {
		t.Errorf("nodes: %v", err)
	}
}

func TestRollbackAndActivate(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	one, two := f.artifact(1), f.artifact(2)
	want := api.Distribution{Name: "app", Digest: one, Path: "/srv/app", Activate: api.ActivateTogether}
	_, err := f.client.PutDistribution(f.ctx, want)
	f.must(err)
	_, err = f.client.Rollback(f.ctx, "app")
	wantError(t, err, api.CodeConflict, "app")
	if d, err := f.client.Activate(f.ctx, "app"); err != nil || d.Activated != 1 || d.Generation != 1 {
		t.Fatalf("activated %+v, %v", d, err)
	}
	want.Digest = two
	_, err = f.client.PutDistribution(f.ctx, want)
	f.must(err)
	if st, err := f.client.Status(f.ctx, "app"); err != nil || !reflect.DeepEqual(st.Summary.Blockers, []string{"web1"}) {
		t.Fatalf("blocked by %v, %v", st.Summary.Blockers, err)
	}
	activated, err := f.client.Activate(f.ctx, "app")
	f.must(err)
	if activated.Activated != 2 || activated.Previous != one {
		t.Fatalf("activated %+v", activated)
	}
	if again, err := f.client.Activate(f.ctx, "app"); err != nil || !reflect.DeepEqual(again, activated) {
		t.Fatalf("again: %+v, %v", again, err)
	}
	f.must(f.client.DeleteArtifact(f.ctx, one))
	_, err = f.client.Rollback(f.ctx, "app")
	wantError(t, err, api.CodeNotFound, one)
	f.artifact(1)
	d, err := f.client.Rollback(f.ctx, "app")
	f.must(err)
	if d.Digest != one || d.Previous != two || d.Generation != 3 || d.MaySwitch() {
		t.Fatalf("rolled back %+v", d)
	}
	for _, call := range []func(context.Context, string) (api.Distribution, error){f.client.Activate, f.client.Rollback} {
		_, err := call(f.ctx, "nope")
		wantError(t, err, api.CodeNotFound, "nope")
	}
}

// What the nodes keep for a rollback is not to be lost; what they would have to
// fetch again may be.
func TestPreviousIsInUseWhereItIsKept(t *testing.T) {
	f := serve(t, nil)
	f.node("web1", "ams1/r1", nil)
	one, two := f.artifact(1), f.artifact(2)
	want := api.Distribution{Name: "app", Digest: one, Path: "/srv/app", KeepPrevious: true}
	_, err := f.client.PutDistribution(f.ctx, want)
	f.must(err)
	want.Digest = two
	_, err = f.client.PutDistribution(f.ctx, want)
	f.must(err)
	wantError(t, f.client.DeleteArtifact(f.ctx, one), api.CodeInUse, one)
	want.KeepPrevious = false
	_, err = f.client.PutDistribution(f.ctx, want)
	f.must(err)
	f.must(f.client.DeleteArtifact(f.ctx, one))
}

// collector says what it was asked.
type collector struct{ dry []bool }

func (c *collector) Collect(_ context.Context, dry bool) (api.Collection, error) {
	c.dry = append(c.dry, dry)
	return api.Collection{Node: "web1", DryRun: dry}, nil
}

func TestCollect(t *testing.T) {
	c := &collector{}
	f := serve(t, func(cfg *control.Config) { cfg.Collector = c })
	for _, dry := range []bool{true, false} {
		got, err := f.client.Collect(f.ctx, dry)
		if err != nil || got.DryRun != dry || got.Items == nil {
			t.Errorf("dry run %v: %+v, %v", dry, got, err)
		}
	}
	if !reflect.DeepEqual(c.dry, []bool{true, false}) {
		t.Errorf("asked %v", c.dry)
	}
}
