package module

import (
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestPlan(t *testing.T) {
	want := api.Distribution{Name: "app", Digest: digest, Path: "/srv/app",
		Selector: api.Selector{Locations: []string{"a", "b"}, Labels: map[string]string{"role": "web"}}}
	stands := func(change func(*api.Distribution)) *api.Distribution {
		d := want
		d.State, d.Generation = api.StatePresent, 7
		if change != nil {
			change(&d)
		}
		return &d
	}
	for _, c := range []struct {
		name   string
		absent bool
		now    *api.Distribution
		want   step
	}{
		{"new", false, nil, put},
		{"stands", false, stands(nil), nothing},
		{"the order of locations does not matter", false, stands(func(d *api.Distribution) { d.Selector.Locations = []string{"b", "a"} }), nothing},
		{"other content", false, stands(func(d *api.Distribution) { d.Digest = "sha256:" + strings.Repeat("cd", 32) }), put},
		{"other path", false, stands(func(d *api.Distribution) { d.Path = "/srv/old" }), put},
		{"other owner", false, stands(func(d *api.Distribution) { d.Owner = "root" }), put},
		{"other group", false, stands(func(d *api.Distribution) { d.Group = "root" }), put},
		{"other mode", false, stands(func(d *api.Distribution) { d.Mode = "0700" }), put},
		{"overwriting", false, stands(func(d *api.Distribution) { d.Overwrite = true }), put},
		{"other labels", false, stands(func(d *api.Distribution) { d.Selector.Labels = nil }), put},
		{"other nodes", false, stands(func(d *api.Distribution) { d.Selector.NodeNames = []string{"x"} }), put},
		{"being removed, wanted again", false, stands(func(d *api.Distribution) { d.State = api.StateAbsent }), put},
		{"not there, not wanted", true, nil, nothing},
		{"there, not wanted", true, stands(nil), remove},
		{"being removed already", true, stands(func(d *api.Distribution) { d.State = api.StateAbsent }), nothing},
	} {
		if got := plan(options{want: want, absent: c.absent}, c.now); got != c.want {
			t.Errorf("%s: step %d, want %d", c.name, got, c.want)
		}
	}
}

func TestDiff(t *testing.T) {
	now := api.Distribution{Name: "app", Digest: "old", Path: "/srv/app", State: api.StatePresent}
	d := diffOf(options{want: api.Distribution{Name: "app", Digest: "new", Path: "/srv/app", Mode: "0644"}}, &now)
	if !strings.Contains(d.Before, `"digest": "old"`) || strings.Contains(d.Before, "mode") ||
		!strings.Contains(d.After, `"digest": "new"`) || !strings.Contains(d.After, `"mode": "0644"`) {
		t.Errorf("diff is %+v", d)
	}
	if d := diffOf(options{absent: true}, &now); d.After != "" || d.Before == "" {
		t.Errorf("diff of a removal is %+v", d)
	}
}

func TestSettled(t *testing.T) {
	const wanted = "sha256:wanted"
	node := func(phase api.Phase, change ...func(*api.NodeStatus)) api.NodeStatus {
		n := api.NodeStatus{Phase: phase, Digest: wanted, Generation: 2}
		if phase == api.PhaseInstalled {
			n.Installed = wanted
		}
		for _, c := range change {
			c(&n)
		}
		return n
	}
	late := func(n *api.NodeStatus) { n.Generation = 1 }
	down := func(n *api.NodeStatus) { n.Unreachable = true }
	for name, c := range map[string]struct {
		state string
		nodes []api.NodeStatus
		want  bool
	}{
		"none":                        {api.StatePresent, nil, false},
		"all done":                    {api.StatePresent, []api.NodeStatus{node(api.PhaseInstalled)}, false},
		"one works":                   {api.StatePresent, []api.NodeStatus{node(api.PhaseFailed), node(api.PhaseFetching)}, false},
		"one failed, rest done":       {api.StatePresent, []api.NodeStatus{node(api.PhaseFailed), node(api.PhaseInstalled)}, true},
		"failed at an older one":      {api.StatePresent, []api.NodeStatus{node(api.PhaseFailed, late), node(api.PhaseInstalled)}, false},
		"one is down, rest done":      {api.StatePresent, []api.NodeStatus{node(api.PhasePending, late, down), node(api.PhaseInstalled)}, true},
		"one is down, another works":  {api.StatePresent, []api.NodeStatus{node(api.PhasePending, down), node(api.PhaseFetching)}, false},
		"removal where one is down":   {api.StateAbsent, []api.NodeStatus{node(api.PhasePending, down), node(api.PhaseRemoved)}, false},
		"removal that failed on one":  {api.StateAbsent, []api.NodeStatus{node(api.PhaseFailed), node(api.PhaseRemoved)}, true},
		"removal that has just begun": {api.StateAbsent, []api.NodeStatus{node(api.PhaseInstalled)}, false},
	} {
		s := api.Status{Distribution: api.Distribution{Digest: wanted, Generation: 2, State: c.state}, Nodes: c.nodes}
		if got := settled(s); got != c.want {
			t.Errorf("%s: settled is %v, want %v", name, got, c.want)
		}
	}
}
