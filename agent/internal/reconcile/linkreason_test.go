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
	for _, test := range []struct {
		binding       bandwidth.Binding
		subject, text string
	}{
		{uplink, "uplink of ams1/r1", "what it receives is limited: uplink of ams1/r1, down: 2.0 MiB/s, as 8.0 MiB/s are shared by 4"},
		{host, "this host", "the CPU is busy"},
		{operator, "limits.download of its agent.yaml", "5.0 MiB/s"},
		{bandwidth.Binding{}, "limits.download of its agent.yaml", "5.0 MiB/s"},
	} {
		got := r.limitReason(nil, swarmapi.NodeBound, test.binding, receiving)
		if got.Code != api.ReasonLimit || got.Subject != test.subject || !strings.Contains(got.Message, test.text) || got.Fix == "" {
			t.Errorf("%s: %+v", test.binding.Reason, got)
		}
	}
}
