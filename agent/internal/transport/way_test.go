package transport

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// What there is for a link is divided among the connections over it, and counts as
// shared with other agents' as well. What has no ceiling is not divided.
func TestConnectionsShareAWay(t *testing.T) {
	for name, test := range map[string]struct {
		guard       bandwidth.GuardConfig
		connections int
		want        bandwidth.GuardConfig
	}{
		"four of one of three agents": {
			bandwidth.GuardConfig{Ceiling: 8e6, Start: 8e6, Connections: 3}, 4,
			bandwidth.GuardConfig{Ceiling: 2e6, Start: 2e6, Connections: 12},
		},
		"none has sent yet": {
			bandwidth.GuardConfig{Ceiling: 8e6, Start: 1e6}, 0,
			bandwidth.GuardConfig{Ceiling: 8e6, Start: 1e6, Connections: 1},
		},
		"nothing is known of the link": {
			bandwidth.GuardConfig{Ceiling: unit.Unlimited}, 2,
			bandwidth.GuardConfig{Ceiling: unit.Unlimited, Connections: 2},
		},
	} {
		w := Way{Guard: test.guard}
		if w.share(test.connections); w.Guard != test.want {
			t.Errorf("%s: %+v, want %+v", name, w.Guard, test.want)
		}
	}
}
