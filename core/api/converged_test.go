package api_test

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestConvergedCountsWhatStandsAndIsWanted(t *testing.T) {
	const wanted = "sha256:wanted"
	present := api.Distribution{Digest: wanted, Generation: 3, State: api.StatePresent}
	good := api.NodeStatus{Phase: api.PhaseInstalled, Digest: wanted, Installed: wanted, Generation: 3}
	for _, c := range []struct {
		name   string
		change func(*api.NodeStatus)
		want   bool
	}{
		{"installed", func(*api.NodeStatus) {}, true},
		{"verifying what stands", func(n *api.NodeStatus) { n.Phase = api.PhaseVerifying }, true},
		{"unreachable", func(n *api.NodeStatus) { n.Unreachable = true }, true},
		{"another version stands", func(n *api.NodeStatus) { n.Installed = "sha256:old" }, false},
		{"nothing stands", func(n *api.NodeStatus) { n.Installed = "" }, false},
		{"older generation", func(n *api.NodeStatus) { n.Generation = 2 }, false},
		{"about another digest", func(n *api.NodeStatus) { n.Digest = "sha256:old" }, false},
		{"drifted", func(n *api.NodeStatus) { n.Drifted = true }, false},
		{"failed", func(n *api.NodeStatus) { n.Phase = api.PhaseFailed }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := good
			c.change(&n)
			if got := present.Converged(n); got != c.want {
				t.Errorf("converged: %v", got)
			}
		})
	}
}

func TestConvergedOnAbsenceMeansRemoved(t *testing.T) {
	absent := api.Distribution{Digest: "sha256:wanted", Generation: 3, State: api.StateAbsent}
	for phase, want := range map[api.Phase]bool{
		api.PhaseRemoved: true, api.PhaseRemoving: false, api.PhaseInstalled: false, api.PhaseFailed: false, api.PhasePending: false,
	} {
		n := api.NodeStatus{Phase: phase, Digest: absent.Digest, Installed: absent.Digest, Generation: 3}
		if got := absent.Converged(n); got != want {
			t.Errorf("%s: converged: %v", phase, got)
		}
	}
}

func TestNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		d    api.Distribution
		want bool
	}{
		"what it wants":              {api.Distribution{Digest: "a"}, true},
		"what it never had":          {api.Distribution{Digest: "b"}, false},
		"the version before":         {api.Distribution{Digest: "b", Previous: "a"}, false},
		"the version before, kept":   {api.Distribution{Digest: "b", Previous: "a", KeepPrevious: true}, true},
		"what it is to be rid of":    {api.Distribution{Digest: "a", State: api.StateAbsent}, false},
		"what it kept, to be rid of": {api.Distribution{Digest: "b", Previous: "a", KeepPrevious: true, State: api.StateAbsent}, false},
	} {
		if got := c.d.Needs("a"); got != c.want {
			t.Errorf("%s: needed is %v", name, got)
		}
	}
}

// Whatever a distribution asks of the nodes makes it another task; its state and
// what the server counts do not.
func TestSameTask(t *testing.T) {
	base := api.Distribution{Digest: "sha256:x", Path: "/srv/x", Hooks: api.Hooks{Before: []string{"a", "b"}}}
	for name, c := range map[string]struct {
		change func(*api.Distribution)
		same   bool
	}{
		"nothing":         {func(*api.Distribution) {}, true},
		"the default":     {func(d *api.Distribution) { d.Activate = api.ActivateEach }, true},
		"state, counters": {func(d *api.Distribution) { d.State, d.Generation, d.Activated = api.StateAbsent, 7, 7 }, true},
		"digest":          {func(d *api.Distribution) { d.Digest = "sha256:y" }, false},
		"mode":            {func(d *api.Distribution) { d.Mode = "0644" }, false},
		"overwrite":       {func(d *api.Distribution) { d.Overwrite = true }, false},
		"selector":        {func(d *api.Distribution) { d.Selector.NodeNames = []string{"n"} }, false},
		"together":        {func(d *api.Distribution) { d.Activate = api.ActivateTogether }, false},
		"keep_previous":   {func(d *api.Distribution) { d.KeepPrevious = true }, false},
		"order of hooks":  {func(d *api.Distribution) { d.Hooks.Before = []string{"b", "a"} }, false},
		"hooks after":     {func(d *api.Distribution) { d.Hooks.After = []string{"a"} }, false},
	} {
		o := base
		c.change(&o)
		if base.SameTask(o) != c.same || o.SameTask(base) != c.same {
			t.Errorf("%s: the same task: %v", name, !c.same)
		}
	}
}
