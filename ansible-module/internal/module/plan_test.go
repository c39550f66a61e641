package module

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

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
		want   operation
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
			t.Errorf("%s: operation %d, want %d", c.name, got, c.want)
		}
	}
}

// Changed is what happened on the host, not what somebody asked for.
func TestChanges(t *testing.T) {
	want := api.Distribution{Name: "app", Digest: digest, Path: "/srv/app", Mode: "0755"}
	stood := func(change func(*api.Distribution), n nodeBefore) before {
		d := want
		d.State = api.StatePresent
		if change != nil {
			change(&d)
		}
		return before{Distribution: &d, Nodes: map[string]nodeBefore{"a": n}}
	}
	has := nodeBefore{Installed: digest, Converged: true}
	for name, c := range map[string]struct {
		absent bool
		b      before
		want   bool
	}{
		"new":                     {false, before{}, true},
		"it had it":               {false, stood(nil, has), false},
		"other hooks":             {false, stood(func(d *api.Distribution) { d.Hooks.After = []string{"x"} }, has), false},
		"other nodes":             {false, stood(func(d *api.Distribution) { d.Selector.NodeNames = []string{"b"} }, has), false},
		"another version":         {false, stood(func(d *api.Distribution) { d.Digest = "sha256:old" }, nodeBefore{"sha256:old", true}), true},
		"another mode":            {false, stood(func(d *api.Distribution) { d.Mode = "" }, has), true},
		"drifted":                 {false, stood(nil, nodeBefore{Installed: digest}), true},
		"it was not a target":     {false, before{Distribution: stood(nil, has).Distribution}, true},
		"absent, it had it":       {true, stood(nil, has), true},
		"absent, it had nothing":  {true, stood(nil, nodeBefore{}), false},
		"absent, there was none":  {true, before{}, false},
		"absent, another version": {true, stood(nil, nodeBefore{Installed: "sha256:old"}), true},
	} {
		if got := c.b.changes(options{want: want, absent: c.absent}, "a"); got != c.want {
			t.Errorf("%s: changed is %v", name, got)
		}
	}
}

func TestBefore(t *testing.T) {
	s := api.Status{Distribution: api.Distribution{Digest: digest, Generation: 1, State: api.StatePresent}, Nodes: []api.NodeStatus{
		{Node: "a", Digest: digest, Installed: digest, Generation: 1, Phase: api.PhaseInstalled},
		{Node: "b", Digest: digest, Generation: 1, Phase: api.PhaseFetching}}}
	b := beforeOf(&s)
	if b.Nodes["a"] != (nodeBefore{digest, true}) || b.Nodes["b"] != (nodeBefore{}) || b.Distribution.Digest != digest {
		t.Errorf("before is %+v", b)
	}
	s.Distribution.State = api.StateAbsent
	if b := beforeOf(&s); b.Distribution != nil || b.Nodes != nil {
		t.Errorf("what is being removed stood before: %+v", b)
	}
}

// The hosts of a play join those that a distribution has, and never take others
// along to other content.
func TestChoose(t *testing.T) {
	want := api.Distribution{Name: "app", Digest: digest, Path: "/srv/app"}
	now := func(digest string, s api.Selector) *api.Distribution {
		return &api.Distribution{Name: "app", Digest: digest, Path: "/srv/app", State: api.StatePresent, Selector: s}
	}
	names := func(n ...string) api.Selector { return api.Selector{NodeNames: n} }
	for name, c := range map[string]struct {
		absent bool
		now    *api.Distribution
		want   []string // nil for a refusal
	}{
		"new":                         {false, nil, []string{"a", "b"}},
		"the same hosts":              {false, now("sha256:old", names("b", "a")), []string{"a", "b"}},
		"more hosts":                  {false, now("sha256:old", names("a")), []string{"a", "b"}},
		"fewer hosts, the same":       {false, now(digest, names("a", "b", "c")), []string{"a", "b", "c"}},
		"fewer hosts, other content":  {false, now("sha256:old", names("a", "b", "c")), nil},
		"absent":                      {true, now(digest, names("a", "b")), []string{"a", "b"}},
		"absent on fewer":             {true, now(digest, names("a", "b", "c")), nil},
		"one that selects by place":   {false, now(digest, api.Selector{Locations: []string{"ams"}}), nil},
		"one that selects all":        {false, now(digest, api.Selector{}), nil},
		"one that is being removed":   {false, &api.Distribution{State: api.StateAbsent, Selector: names("x")}, []string{"a", "b"}},
		"no distribution to be taken": {true, nil, []string{"a", "b"}},
	} {
		got, err := choose(options{want: want, absent: c.absent}, c.now, []string{"b", "a", "b"})
		if (err == nil) != (c.want != nil) || err == nil && !slices.Equal(got.NodeNames, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}

func TestNodesOf(t *testing.T) {
	fleet := []api.Node{{Name: "web1", DataAddr: "10.0.0.1:7420"}, {Name: "web2.example.net", DataAddr: "10.0.0.2:7420"},
		{Name: "db", DataAddr: "[fd00::3]:7420"}, {Name: "odd", DataAddr: "nothing"}}
	nodes, unknown := nodesOf([]playHost{{Name: "web1"}, {Name: "web2"}, {Name: "other", Address: "fd00::3"}, {Name: "10.0.0.1"},
		{Name: "web9", Node: "odd"}, {Name: "web7", Address: "10.0.0.7"}, {Name: "10.0.0.9"}}, fleet)
	want := map[string]string{"web1": "web1", "web2": "web2.example.net", "other": "db", "10.0.0.1": "web1", "web9": "odd"}
	if !maps.Equal(nodes, want) || !slices.Equal(unknown, []string{"web7", "10.0.0.9"}) {
		t.Errorf("nodes %v, unknown %v", nodes, unknown)
	}
}

func TestDiff(t *testing.T) {
	b := before{Distribution: &api.Distribution{Name: "app", Digest: "wanted before", Path: "/srv/app"}, Nodes: map[string]nodeBefore{"a": {Installed: "old"}, "b": {}}}
	o := options{want: api.Distribution{Name: "app", Digest: "new", Path: "/srv/app", Mode: "0644"}}
	d := b.diffOn(o, "a")
	if !strings.Contains(d.Before, `"digest": "old"`) || strings.Contains(d.Before, "mode") ||
		!strings.Contains(d.After, `"digest": "new"`) || !strings.Contains(d.After, `"mode": "0644"`) || strings.Contains(d.After, "selector") {
		t.Errorf("diff is %+v", d)
	}
	if d := b.diffOn(o, "b"); d.Before != "" || d.After == "" {
		t.Errorf("diff on a node that had nothing is %+v", d)
	}
	if d := b.diffOn(options{absent: true}, ""); d.After != "" || !strings.Contains(d.Before, "selector") {
		t.Errorf("diff of a removal is %+v", d)
	}
}

func TestProgress(t *testing.T) {
	present := api.Distribution{State: api.StatePresent}
	n := api.NodeStatus{Phase: api.PhaseFetching, BytesDone: 43 << 20, BytesTotal: 100 << 20, Rate: 85 << 20}
	waits := n
	waits.Waiting = "no peer has 3 of 40 spans"
	for want, s := range map[string]api.Status{
		"43% of 100.0 MiB, 85.0 MiB/s":                                      {Distribution: present, Nodes: []api.NodeStatus{n}},
		"43% of 100.0 MiB, 85.0 MiB/s, fetching, no peer has 3 of 40 spans": {Distribution: present, Nodes: []api.NodeStatus{waits}},
		"43% of 200.0 MiB, 170.0 MiB/s, 1 of 2 nodes done":                  {Distribution: present, Nodes: []api.NodeStatus{n, n}, Summary: api.Summary{Targets: 2, Converged: 1}},
		"removing": {Distribution: api.Distribution{State: api.StateAbsent}, Nodes: []api.NodeStatus{{Phase: api.PhaseRemoving, BytesTotal: 5}}},
		"waiting":  {},
	} {
		if got := progress(s); got != want {
			t.Errorf("progress is %q, want %q", got, want)
		}
	}
}

func TestBytesFrom(t *testing.T) {
	began := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	ended := began.Add(2 * time.Second)
	n := api.NodeStatus{Received: api.Received{ByLevel: []int64{1, 20, 300}, Seeder: 7}, BytesReused: 5, StartedAt: &began, InstalledAt: &ended, Peers: 3}
	var r result
	r.take(n)
	if *r.BytesFrom != (bytesFrom{Rack: 300, Datacenter: 20, WAN: 1, Seed: 7, Disk: 5}) || *r.Seconds != 2 || *r.Rate != 160 || *r.Peers != 3 {
		t.Errorf("result %+v from %+v", r, *r.BytesFrom)
	}
	n.Received.ByLevel, n.InstalledAt = []int64{9}, nil
	r = result{}
	if r.take(n); r.BytesFrom.Rack != 9 || r.Seconds != nil {
		t.Errorf("at the root: %+v from %+v", r, *r.BytesFrom)
	}
}

func TestBudget(t *testing.T) {
	for name, c := range map[string]struct {
		call     call
		patience time.Duration
		last     bool
	}{
		"no plugin":       {call{}, time.Minute, true},
		"a short look":    {call{Patience: 2, Left: 30}, 2 * time.Second, false},
		"the last look":   {call{Patience: 2, Left: 1}, time.Second, true},
		"left is limited": {call{Left: 900}, time.Minute, true},
	} {
		if patience, last := c.call.budget(time.Minute); patience != c.patience || last != c.last {
			t.Errorf("%s: %s, last %v", name, patience, last)
		}
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
		"one is down, had it before":  {api.StatePresent, []api.NodeStatus{node(api.PhaseInstalled, down)}, true},
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
