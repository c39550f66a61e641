package control

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestRemovalOver(t *testing.T) {
	since := time.Unix(1000, 0)
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
			d := api.Distribution{State: c.state, Generation: 2, UpdatedAt: since}
			if got := removalOver(api.Status{Distribution: d, Nodes: c.nodes}, since.Add(c.age)); got != c.want {
				t.Errorf("over: %v", got)
			}
		})
	}
}
