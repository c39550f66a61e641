package reconcile

import (
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// TestReasonsOfLinks: what binds is named as it is: the link with why it has no more,
// the host, or the record of an operator.
func TestReasonsOfLinks(t *testing.T) {
	r := &Reconciler{cfg: Config{Download: 5 << 20, Upload: unit.Unlimited}}
	uplink := bandwidth.Binding{Reason: bandwidth.Shared, Hop: topo.Hop{Location: "ams1/r1"}, Rate: 2 << 20, Whole: 8 << 20, Users: 4}
	host := bandwidth.Binding{Reason: bandwidth.CPU, Hop: topo.Hop{Location: "ams1/r1", Node: "web1"}, Rate: 1 << 20, Whole: 4 << 20, Part: 0.25}
	operator := bandwidth.Binding{Reason: bandwidth.Group, Hop: host.Hop, Rate: 5 << 20}
	ceiling := bandwidth.Binding{Reason: bandwidth.Group, Hop: topo.Hop{Location: "ams1/r1", Up: true}, Rate: 5 << 20}
	part := bandwidth.Binding{Reason: bandwidth.Shared, Hop: ceiling.Hop, Rate: 1 << 20, Whole: 5 << 20, By: bandwidth.Group, Users: 5}
	unknown := bandwidth.Binding{Reason: bandwidth.Unmeasured, Hop: topo.Hop{Location: "ams1/r1"}, Rate: 1e6}
	undeclared := bandwidth.Binding{Reason: bandwidth.Undeclared, Hop: ceiling.Hop, Rate: 1e6}
	old := bandwidth.Binding{Reason: bandwidth.Shared, By: bandwidth.Stale, Hop: unknown.Hop, Rate: 1e6, Whole: 2e6, Users: 2}
	outer := bandwidth.Binding{Reason: bandwidth.OuterFirst, Hop: host.Hop}
	for _, test := range []struct {
		binding       bandwidth.Binding
		subject, text string
	}{
		{uplink, "uplink of ams1/r1", "what it receives is limited: uplink of ams1/r1, down: 2.0 MiB/s, as 8.0 MiB/s are shared by 4"},
		{host, "this host", "the CPU is busy"},
		{ceiling, "uplink of ams1/r1", "uplink of ams1/r1, up: 5.0 MiB/s, as an operator set this limit"},
		{part, "uplink of ams1/r1", "up: 1.0 MiB/s, as 5.0 MiB/s, which an operator set as its limit, are shared by 5"},
		{operator, "limits.download of its agent.yaml", "5.0 MiB/s"},
		{outer, "this host", "traffic that leaves the location comes first"},
		{unknown, "uplink of ams1/r1", "as what it carries is not known"},
		{undeclared, "uplink of ams1/r1", "up: 976.6 KiB/s, as nobody says what it carries: the floor"},
		{old, "uplink of ams1/r1", "are shared by 2"},
		{bandwidth.Binding{}, "limits.download of its agent.yaml", "5.0 MiB/s"},
	} {
		got := r.limitReason(nil, swarmapi.NodeBound, test.binding, receiving)
		if got.Code != api.ReasonLimit || got.Subject != test.subject || !strings.Contains(got.Message, test.text) || got.Fix == "" {
			t.Errorf("%s: %+v", test.binding.Reason, got)
		}
		if named := strings.Contains(got.Fix, "rackswarm links set ams1/r1 --max-up RATE"); named != (test.binding == ceiling || test.binding == part) {
			t.Errorf("%s: %s", test.binding.Reason, got.Fix)
		}
		if named := strings.Contains(got.Fix, "about one copy crosses each uplink"); named != (test.binding == outer) {
			t.Errorf("%s: %s", test.binding.Reason, got.Fix)
		}
		if named := strings.Contains(got.Fix, "rackswarm links set ams1/r1 --up RATE"); named != (test.binding == undeclared) {
			t.Errorf("%s: %s", test.binding.Reason, got.Fix)
		}
		if named := strings.Contains(got.Fix, "have the link measured again"); named != (test.binding == unknown || test.binding == old) {
			t.Errorf("%s: %s", test.binding.Reason, got.Fix)
		}
	}
}

func TestPeersAreCounted(t *testing.T) {
	for n, want := range map[int]string{1: "1 peer", 2: "2 peers"} {
		if got := peerCount(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
