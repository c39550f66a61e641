package cli

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
)

// atNoon has the agent's clock stand at noon, so that golden files can name times.
func atNoon(c *control.Config) { c.Now = func() time.Time { return noon } }

// askers hides who runs the tests.
var askers = regexp.MustCompile(`by \S+ on web1`)

func anonymous(text string) string { return askers.ReplaceAllString(text, "by alice on web1") }

func TestPauseAndResume(t *testing.T) {
	f := newFleet(t, atNoon)
	f.nodes()
	f.ok("distribute", "site", "--artifact", f.artifact("site"), "--path", "/srv/site", "--label", "role=web")
	f.golden("pause", anonymous(f.ok("pause", "site")))
	f.golden("status-paused", anonymous(f.ok("status", "site")))
	if out := f.ok("status"); !strings.Contains(out, "paused") {
		t.Errorf("status of all: %s", out)
	}
	f.ok("stop", "--all")
	f.golden("resume-all", anonymous(f.ok("resume", "--all")))
	f.golden("resume", anonymous(f.ok("resume", "site")))
	if out := f.ok("resume", "site"); !strings.Contains(out, "Nothing was held") {
		t.Errorf("again: %s", out)
	}
	if list := decode[api.HoldList](f, f.ok("pause", "--all", "--json")); len(list.Holds) != 1 || !list.Holds[0].All {
		t.Errorf("as JSON: %+v", list)
	}
	f.fails(exitUsage, []string{"--all"}, "pause")
	f.fails(exitUsage, []string{"NAME", "--all"}, "pause", "")
	f.fails(exitUsage, []string{"--all"}, "stop", "site", "--all")
	f.fails(exitUsage, []string{"site, app: only one distribution can be named", "--all"}, "pause", "site", "app")
	f.fails(exitFailed, []string{"nothing"}, "pause", "nothing")
}

// Whoever waits for a paused distribution is told, and waits; for a stopped one the
// wait ends.
func TestWaitWhileHeld(t *testing.T) {
	f := newFleet(t, atNoon)
	c := f.distributing()
	f.report("site", "web1", api.PhaseInstalled)
	f.ok("pause", "site")
	f.eventually("who waits is told", func() bool { return strings.Contains(c.errOut.String(), "site: paused by") })
	select {
	case code := <-c.ended:
		t.Fatalf("the wait ended with %d", code)
	case <-time.After(time.Second): // longer than the time after which nodes that are stuck are given up
	}
	f.ok("resume", "site")
	f.eventually("who waits is told that it goes on", func() bool { return strings.Contains(c.errOut.String(), "site: goes on") })
	f.ok("stop", "site")
	f.failed(f.wait(c), exitPartial, "1 of 2 nodes are done", "stopped by", "rackswarm resume site")
}

func TestLimits(t *testing.T) {
	f := newFleet(t, atNoon)
	f.nodes()
	f.ok("distribute", "site", "--artifact", f.artifact("site"), "--path", "/srv/site")
	if out := f.ok("limits"); !strings.Contains(out, "No limits") {
		t.Errorf("without limits: %s", out)
	}
	f.golden("limit", f.ok("limit", "--location", "ams1/r1", "--download", "10MiB/s"))
	if out := f.ok("limit", "--node", "nobody", "--upload", "1MiB/s"); !strings.Contains(out, "No node that is known") {
		t.Errorf("a limit of no node: %s", out)
	}
	f.ok("limit", "--node", "nobody", "--clear")
	f.ok("limit", "--location", "ams1/r1", "--upload", "200Mbit") // leaves the download as it is
	f.ok("limit", "--distribution", "site", "--label", "role=web", "--node", "web1", "--upload", "5MiB/s")
	f.ok("pause", "site")
	out := f.ok("limits")
	f.golden("limits", anonymous(regexp.MustCompile(`(?m)(/s\s+)\S+(\s+web1 )`).ReplaceAllString(out, "${1}alice${2}")))
	f.ok("limit", "--location", "ams1/r1", "--download", "unlimited")
	l := decode[controlList](f, f.ok("limits", "--json")).Limits
	if len(l) != 2 || l[1].Name != "location ams1/r1" || l[1].Download != nil || *l[1].Upload != 25_000_000 {
		t.Errorf("limits %+v", l)
	}
	f.ok("limit", "--location", "ams1/r1", "--upload", "unlimited")
	f.fails(exitUsage, []string{"--clear: it takes the limit", "unlimited"}, "limit", "--download", "1MiB/s", "--clear")
	if out := f.ok("limit", "--location", "ams1/r1", "--clear"); !strings.Contains(out, "There was no limit of location ams1/r1") {
		t.Errorf("a limit that is not there is cleared: %s", out)
	}
	f.fails(exitUsage, []string{"--download", "never means unlimited", "rackswarm pause"}, "limit", "--download", "0")
	f.fails(exitUsage, []string{"--upload", "fast"}, "limit", "--upload", "fast")
	f.fails(exitUsage, []string{"--upload", "10MiB/s"}, "limit", "--upload", "10")
	f.fails(exitUsage, []string{"--download, --upload, --clear: one of these has to be given"}, "limit")
	f.fails(exitUsage, []string{"--distribution: it is empty", "leave out the flag"}, "limit", "--distribution", "", "--upload", "1MiB/s")
	f.fails(exitUsage, []string{"--download: it is empty"}, "limit", "--upload", "1MiB/s", "--download", "")
	f.fails(exitUsage, []string{"site: limit takes no name", "--distribution"}, "limit", "site", "--upload", "1MiB/s")
	f.fails(exitFailed, []string{"none"}, "limit", "--distribution", "none", "--upload", "1MiB/s")
}

// Without the store that is said once.
func TestExplainWithoutStore(t *testing.T) {
	var out strings.Builder
	writeExplanation(&out, api.Explanation{StoreDown: true, Nodes: []api.NodeExplanation{{Node: "web1", Phase: api.PhaseFetching,
		Reasons: []api.Reason{{Code: api.ReasonStoreDown, Message: "the store does not answer: timeout; what runs goes on, changes wait"}}}}}, noon)
	if text := strings.ToLower(out.String()); strings.Count(text, "does not answer") != 1 || !strings.Contains(text, "of its own node") {
		t.Errorf("it says:\n%s", text)
	}
}

func TestExplain(t *testing.T) {
	f := newFleet(t, atNoon)
	f.nodes()
	f.ok("distribute", "site", "--artifact", f.artifact("site"), "--path", "/srv/site")
	f.report("site", "web1", api.PhaseInstalled)
	f.report("site", "web2", api.PhaseFetching, func(s *api.NodeStatus) {
		s.BytesDone, s.Rate = 1<<20, 900<<10
		s.Reasons = []api.Reason{{Code: api.ReasonLimit, Subject: `limit "all"`, Message: `what it receives is limited to 1.0 MiB/s by limit "all", set by alice on web1`, Fix: "see: rackswarm limits", Rate: 1 << 20}}
		s.Top = []api.PeerRate{{Name: "web1\x1b[2J", Location: "ams1/r1", Initial: true, Rate: 800 << 10}, {Name: "db1", Location: "ams1/r2", Rate: 100 << 10}}
	})
	f.golden("explain", f.ok("explain", "site"))
	e := decode[api.Explanation](f, f.ok("explain", "site", "web2", "--json"))
	if len(e.Nodes) != 1 || e.Nodes[0].Reasons[0].Rate != 1<<20 || len(e.Nodes[0].Top) != 2 {
		t.Errorf("as JSON: %+v", e)
	}
	if out := f.ok("explain", "site", "web1"); !strings.Contains(out, "wait for nothing") {
		t.Errorf("of a node that is done: %s", out)
	}
	f.report("site", "web1", api.PhaseInstalled, func(s *api.NodeStatus) {
		s.Reasons = []api.Reason{{Code: api.ReasonSenderLimit, Message: "what it sends to others is limited", Fix: "see: rackswarm limits"}}
	})
	f.report("site", "db1", api.PhaseInstalled)
	if out := f.ok("explain", "site"); !strings.Contains(out, "2 of 3 nodes have what is wanted; 1 of these could send more to others, see above.") {
		t.Errorf("of a node that is done, and sends less than it could: %s", out)
	}
	f.report("site", "db1", api.PhaseFetching, func(s *api.NodeStatus) {
		s.Reasons, s.UpdatedAt = []api.Reason{{Code: api.ReasonLimit, Subject: "uplink of ams1/r2", Message: "what it receives is limited"}}, noon.Add(-3*time.Second)
	})
	if out := f.ok("explain", "site", "db1"); !strings.Contains(out, "reported 3 s ago") || !strings.Contains(out, "What a link leaves is told in content") {
		t.Errorf("of a node that a link keeps down: %s", out)
	}
	f.fails(exitUsage, []string{"NAME: a name is empty"}, "explain", "site", "")
	f.fails(exitFailed, []string{"db9", "no target"}, "explain", "site", "db9")
	f.fails(exitFailed, []string{"nothing"}, "explain", "nothing")
	if out := f.ok("__complete", "explain", "site", ""); !strings.Contains(out, "web2") {
		t.Errorf("completes %q", out)
	}
}

// The list says of what waits for a window when that opens, and nothing of what does not.
func TestListBehindAClosedWindow(t *testing.T) {
	t.Parallel()
	site := api.Distribution{Name: "site", State: api.StatePresent, Windows: []string{"fri 11:00-24:00 0", "sat 00:00-08:00 0"}}
	never := site
	never.Windows = []string{"otherwise 0"}
	fetching, done := api.NodeStatus{Node: "a", Phase: api.PhaseFetching}, api.NodeStatus{Node: "b", Phase: api.PhaseInstalled}
	for _, test := range []struct {
		name string
		st   api.Status
		at   time.Time
		want string
	}{
		{"closed", api.Status{Distribution: site, Nodes: []api.NodeStatus{fetching, done}}, noon, "waiting for its window, opens Sat 08:00 UTC"},
		{"open", api.Status{Distribution: site, Nodes: []api.NodeStatus{fetching}}, noon.Add(48 * time.Hour), "under way"},
		{"nobody fetches", api.Status{Distribution: site, Nodes: []api.NodeStatus{done}}, noon, "under way"},
		{"who fetches is down", api.Status{Distribution: site, Nodes: []api.NodeStatus{{Phase: api.PhaseFetching, Unreachable: true}}}, noon, "under way"},
		{"for ever", api.Status{Distribution: never, Nodes: []api.NodeStatus{fetching}}, noon, "closed by its windows"},
		{"others are staged", api.Status{Distribution: site, Nodes: []api.NodeStatus{fetching}, Summary: api.Summary{Staged: 1, Blockers: []string{"a"}}}, noon, "waiting for its window, opens Sat 08:00 UTC"},
		{"failed", api.Status{Distribution: site, Nodes: []api.NodeStatus{fetching}, Summary: api.Summary{Failed: 1}}, noon, "1 failed"},
		{"done", api.Status{Distribution: site, Nodes: []api.NodeStatus{done}, Summary: api.Summary{Done: true}}, noon, "done"},
	} {
		if got := state(test.st, test.at); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A node that is to fetch behind a closed window says until when; one that is done does not.
func TestStatusBehindAClosedWindow(t *testing.T) {
	t.Parallel()
	st := api.Status{Distribution: api.Distribution{Name: "site", Windows: []string{"mon-sun 11:00-13:00 0"}},
		Nodes: []api.NodeStatus{{Node: "a", Phase: api.PhaseFetching}, {Node: "b", Phase: api.PhaseInstalled}}}
	for at, want := range map[time.Time]string{noon: "lets nothing pass until Fri 13:00 UTC", noon.Add(2 * time.Hour): ""} {
		shown := atWindows(st, at)
		if got := remarks(shown.Nodes[0]); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("at %v: %q, want %q", at, got, want)
		}
		if got := remarks(shown.Nodes[1]); got != "" || st.Nodes[0].Waiting != "" {
			t.Errorf("at %v a node that is done: %q", at, got)
		}
	}
}
