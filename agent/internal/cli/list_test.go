package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestNodes(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	f.must(f.store.RemoveNode(t.Context(), "db1"))
	f.golden("nodes", f.ok("nodes"))
	list := decode[api.NodeList](f, f.ok("nodes", "--json"))
	if len(list.Nodes) != 3 || list.Nodes[1].Name != "web1" || !list.Nodes[1].Alive || list.Nodes[0].Alive {
		t.Errorf("nodes as JSON: %+v", list.Nodes)
	}
}

func TestArtifacts(t *testing.T) {
	f := newFleet(t)
	f.artifact("site")
	f.artifact("base\x1b[2Jimage") // what comes from others must not steer the terminal
	f.golden("artifacts", f.ok("artifacts"))
	if list := decode[api.ArtifactList](f, f.ok("artifacts", "--json")); len(list.Artifacts) != 2 {
		t.Errorf("artifacts as JSON: %+v", list)
	}
}

func TestEmptyListsAreArraysInJSON(t *testing.T) {
	f := newFleet(t)
	for _, command := range []string{"nodes", "artifacts", "status"} {
		if out := f.ok(command, "--json"); !strings.Contains(out, "[]") {
			t.Errorf("%s: %s", command, out)
		}
	}
}

func TestStatus(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	f.ok("distribute", "site", "--artifact", f.artifact("site"), "--path", "/srv/site", "--location", "ams1", "--owner", "www-data")
	f.ok("distribute", "web", "--artifact", f.artifact("web"), "--path", "/srv/web", "--label", "role=web")
	f.ok("distribute", "one", "--artifact", f.artifact("web"), "--path", "/srv/one", "--node", "db1")
	f.ok("rm", "one", "--content=remove")

	started, installed := noon.Add(-time.Minute), noon.Add(-30*time.Second)
	f.report("site", "web1", api.PhaseInstalled, func(s *api.NodeStatus) {
		s.StartedAt, s.InstalledAt, s.Role, s.Sent, s.Peers = &started, &installed, "initial seeder", 4<<20, 3
		s.Received = api.Received{ByLevel: []int64{0, 1 << 20, 2 << 20}, Seeder: 3 << 20}
	})
	f.report("site", "web2", api.PhaseFetching, func(s *api.NodeStatus) { s.BytesDone, s.Rate, s.Peers = 1<<20, 10<<20, 2 })
	f.report("site", "db1", api.PhaseFailed, func(s *api.NodeStatus) {
		s.Error = &api.Error{Code: api.CodeNoSpace, Subject: "/srv/site", Message: "3.0 MiB needed, 1.0 MiB free", Fix: "free 2.0 MiB on /srv"}
	})
	f.report("web", "web1", api.PhaseInstalled, func(s *api.NodeStatus) { s.StartedAt, s.InstalledAt = &started, &installed })
	f.report("web", "web2", api.PhaseInstalled)

	f.golden("status", f.ok("status"))
	f.golden("status-site", f.ok("status", "site"))
	if out := f.ok("status", "web"); !strings.Contains(out, "Time          30.0 s") {
		t.Errorf("all are done, and it does not say how long that took:\n%s", out)
	}
	one := decode[api.Status](f, f.ok("status", "site", "--json"))
	if one.Summary.Failed != 1 || len(one.Nodes) != 3 {
		t.Errorf("status as JSON: %+v", one.Summary)
	}
	if all := decode[statusList](f, f.ok("status", "--json")); len(all.Statuses) != 3 {
		t.Errorf("%d statuses as JSON, want 3", len(all.Statuses))
	}
	f.fails(exitFailed, []string{"nobody", "no such"}, "status", "nobody")
}

func TestStateInAWord(t *testing.T) {
	for _, test := range []struct {
		summary api.Summary
		want    string
	}{
		{api.Summary{Targets: 3}, "under way"},
		{api.Summary{Targets: 3, Converged: 3, Done: true}, "done"},
		{api.Summary{Targets: 3, Converged: 2, Offline: 1}, "1 down"},
		{api.Summary{Targets: 3, Converged: 2, Drifted: 1}, "repairing"},
		{api.Summary{Targets: 3, Converged: 1, Failed: 2, Drifted: 1}, "2 failed"},
	} {
		if got := state(api.Status{Summary: test.summary}, noon); got != test.want {
			t.Errorf("%+v is %q, want %q", test.summary, got, test.want)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "now", 5 * time.Second: "5 s ago", 90 * time.Second: "1 min ago", 30 * time.Hour: "30 h ago", 100 * time.Hour: "4 days ago", -time.Hour: "now"} {
		if got := ago(noon, noon.Add(-d)); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	if got := ago(noon, time.Time{}); got != "never" {
		t.Errorf("no time is %q", got)
	}
}
