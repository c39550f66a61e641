package cli

import (
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

// A source that changed is named wherever somebody looks, and nobody waits for
// nodes that starve for it.
func TestSourceThatChanged(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	digest := f.artifact("site")
	f.ok("distribute", "site", "--artifact", digest, "--path", "/srv/site", "--label", "role=web")
	f.report("site", "web1", api.PhaseInstalled)
	starve := func(s *api.NodeStatus) { s.BytesDone, s.Peers, s.Waiting = 2<<20, 1, "no peer has 2 of 6 spans" }
	f.report("site", "web2", api.PhaseFetching, starve)
	if got := f.ok("status"); !strings.Contains(got, "under way") {
		t.Errorf("without a changed source it goes on:\n%s", got)
	}
	f.must(f.store.PutSeedTrouble(t.Context(), digest, api.SeedTrouble{Node: "web1", Error: api.Error{
		Code: api.CodeSourceUnsuited, Subject: "/srv/src/a\x1b[2J", Message: "the source changed after it was published", Fix: "publish it again on web1, and distribute the new digest",
	}}))
	f.golden("status-trouble", f.ok("status", "site"))
	if got := f.ok("status"); !strings.Contains(got, "source changed") {
		t.Errorf("the list does not tell:\n%s", got)
	}
	if got := f.ok("artifacts"); !strings.Contains(got, "web1 (source changed)") {
		t.Errorf("the list of artifacts does not tell:\n%s", got)
	}
	if got := f.ok("explain", "site"); !strings.HasPrefix(got, "Source on web1: /srv/src/a [2J: the source changed after it was published\nFix: publish it again on web1, and distribute the new digest\n") {
		t.Errorf("explain does not tell:\n%s", got)
	}
	r := f.run("distribute", "site", "--artifact", digest, "--path", "/srv/site", "--label", "role=web", "--wait")
	f.failed(r, exitPartial, "1 of 2 nodes", "source on web1: /srv/src/a [2J", "publish it again on web1")
	if strings.Count(r.errOut, "source on web1") != 2 {
		t.Errorf("the source is to be named once on the way and once at the end:\n%s", r.errOut)
	}
	f.report("site", "web2", api.PhaseInstalled)
	if got := f.ok("status", "site"); strings.Contains(got, "Trouble") {
		t.Errorf("it is no trouble where nobody needs it:\n%s", got)
	}
	if got := f.ok("explain", "site"); strings.Contains(got, "Source on") {
		t.Errorf("explain goes on about what nobody needs:\n%s", got)
	}
}
