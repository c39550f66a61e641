package cli

import (
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
)

func TestPeers(t *testing.T) {
	site, web := digestOf([]byte("site")), digestOf([]byte("web"))
	f := newFleet(t, func(c *control.Config) {
		c.Transfers = func() []api.Transfer {
			return []api.Transfer{
				{Digest: site, Role: "representative of ams1, root", Spans: 40, Missing: 3, Unserved: 1, Peers: []api.Peer{
					{Name: "db1", Location: "ams1/r2", Connected: true, Down: 30 << 20, Up: 4 << 20, Duplicate: 16 << 10, Requests: 61, Rejects: 2,
						LatencySeconds: 0.000_432_1, Rate: 110 << 20, Window: 1 << 20, Owed: 512 << 10},
					{Name: "foreign:10.0.0.9/1", Foreign: true, Connected: true, Up: 7 << 20},
					{Name: "src1", Initial: true, Connected: true, Down: 1 << 20, Requests: 4, LatencySeconds: 0.012},
					{Name: "web2\x1b[2J", Location: "ams1/r1", Down: 1 << 20, Bad: 1 << 20, Requests: 2},
				}},
				{Digest: web, Role: "member", Peers: []api.Peer{}},
			}
		}
	})
	f.nodes()
	f.ok("distribute", "site", "--artifact", f.artifact("site"), "--path", "/srv/site")
	f.golden("peers", f.ok("peers"))
	for _, arg := range []string{"site", site} {
		if got := f.ok("peers", arg); !strings.Contains(got, site) || strings.Contains(got, web) {
			t.Errorf("peers %s:\n%s", arg, got)
		}
	}
	if got := f.ok("peers", digestOf([]byte("other"))); !strings.Contains(got, "no such transfer") {
		t.Errorf("an artifact that does not move: %s", got)
	}
	list := decode[api.TransferList](f, f.ok("peers", "site", "--json"))
	if list.Node != "web1" || len(list.Transfers) != 1 || len(list.Transfers[0].Peers) != 4 || list.Transfers[0].Peers[0].Owed != 512<<10 {
		t.Errorf("as JSON: %+v", list)
	}
	f.fails(exitFailed, []string{"nobody", "no such"}, "peers", "nobody")
	f.fails(exitFailed, []string{"digest"}, "peers", "sha256:7")
}
