package api_test

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestMaySwitch(t *testing.T) {
	for _, c := range []struct {
		name string
		d    api.Distribution
		want bool
	}{
		{"each by default", api.Distribution{Generation: 3}, true},
		{"each", api.Distribution{Generation: 3, Activate: api.ActivateEach}, true},
		{"together, never decided", api.Distribution{Generation: 3, Activate: api.ActivateTogether}, false},
		{"together, decided for the one before", api.Distribution{Generation: 3, Activate: api.ActivateTogether, Activated: 2}, false},
		{"together, decided", api.Distribution{Generation: 3, Activate: api.ActivateTogether, Activated: 3}, true},
	} {
		if got := c.d.MaySwitch(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestReady(t *testing.T) {
	d := api.Distribution{Digest: "new", Generation: 3, State: api.StatePresent, Activate: api.ActivateTogether}
	staged := api.NodeStatus{Phase: api.PhaseStaged, Digest: "new", Installed: "old", Generation: 3}
	for _, c := range []struct {
		name   string
		change func(*api.NodeStatus)
		want   bool
	}{
		{"staged", func(*api.NodeStatus) {}, true},
		{"what stands drifts meanwhile", func(n *api.NodeStatus) { n.Drifted = true }, true},
		{"stands already", func(n *api.NodeStatus) { n.Phase, n.Installed = api.PhaseInstalled, "new" }, true},
		{"staged the generation before", func(n *api.NodeStatus) { n.Generation = 2 }, false},
		{"staged another artifact", func(n *api.NodeStatus) { n.Digest = "old" }, false},
		{"fetching", func(n *api.NodeStatus) { n.Phase = api.PhaseFetching }, false},
		{"failed", func(n *api.NodeStatus) { n.Phase = api.PhaseFailed }, false},
		{"staged and unreachable", func(n *api.NodeStatus) { n.Unreachable = true }, false},
	} {
		n := staged
		c.change(&n)
		if got := d.Ready(n); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
