package fleet

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestRemovalOver(t *testing.T) {
	removed := api.NodeStatus{Phase: api.PhaseRemoved, Generation: 2}
	busy := api.NodeStatus{Phase: api.PhaseRemoving, Generation: 2}
	before := api.NodeStatus{Phase: api.PhaseRemoved, Generation: 1}
	down := api.NodeStatus{Phase: api.PhaseInstalled, Generation: 1, Unreachable: true}
	failed := api.NodeStatus{Phase: api.PhaseFailed, Generation: 2}
	list := func(nodes ...api.NodeStatus) []api.NodeStatus { return nodes }
	for _, c := range []struct {
		name  string
		state string
		nodes []api.NodeStatus
		age   time.Duration
		want  bool
	}{
		{"all have", api.StateAbsent, list(removed, removed), 0, true},
		{"nobody to wait for", api.StateAbsent, nil, 0, true},
		{"one is busy", api.StateAbsent, list(removed, busy), time.Hour, false},
		{"one failed", api.StateAbsent, list(removed, failed), time.Hour, false},
		{"a report from before", api.StateAbsent, list(removed, before), time.Hour, false},
		{"one is down", api.StateAbsent, list(removed, down), time.Second, false},
		{"one stays down", api.StateAbsent, list(removed, down), removalGrace, true},
		{"one is down, one busy", api.StateAbsent, list(busy, down), time.Hour, false},
		{"too long", api.StateAbsent, list(busy), removalPatience, true},
		{"not being removed", api.StatePresent, list(removed), removalPatience, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := api.Distribution{State: c.state, Generation: 2}
			if got := removalOver(api.Status{Distribution: d, Nodes: c.nodes}, c.age); got != c.want {
				t.Errorf("over: %v", got)
			}
		})
	}
}

// What counts is the time since this agent heard of a removal, not what some
// clock wrote into the record.
func TestRemovalAge(t *testing.T) {
	var r removals
	now := time.Now()
	d := api.Distribution{Name: "a", State: api.StateAbsent, Generation: 2, UpdatedAt: now.Add(-48 * time.Hour)}
	if age := r.age(d, now); age != 0 {
		t.Errorf("heard of just now it is %s old", age)
	}
	if age := r.age(d, now.Add(time.Minute)); age != time.Minute {
		t.Errorf("after a minute it is %s old", age)
	}
	d.Generation = 4 // it was put again and removed again
	if age := r.age(d, now.Add(time.Hour)); age != 0 {
		t.Errorf("another removal is %s old", age)
	}
	d.State = api.StatePresent
	r.age(d, now)
	d.State = api.StateAbsent
	if age := r.age(d, now.Add(2*time.Hour)); age != 0 {
		t.Errorf("removed anew it is %s old", age)
	}
	r.keep(nil)
	if len(r.begun) != 0 {
		t.Errorf("it remembers %v", r.begun)
	}
}
