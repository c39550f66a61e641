package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

func TestDistribute(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	digest := f.artifact("site")
	out := f.ok("distribute", "site", "--artifact", digest, "--path", "/srv/site", "--location", "ams1/r1", "--location", "ams1/r2",
		"--label", "role=web", "--node", "web1", "--owner", "www-data", "--group", "33", "--mode", "0750", "--overwrite", "--json")
	d := decode[api.Distribution](f, out)
	want := api.Selector{Locations: []string{"ams1/r1", "ams1/r2"}, Labels: map[string]string{"role": "web"}, NodeNames: []string{"web1"}}
	if d.Digest != digest || d.Path != "/srv/site" || !d.Selector.Equal(want) || d.Owner != "www-data" || d.Group != "33" || d.Mode != "0750" || !d.Overwrite || d.Generation != 1 {
		t.Errorf("got %+v", d)
	}
	if text := f.ok("distribute", "other", "--artifact", digest, "--path", "/srv/other"); !strings.Contains(text, "rackswarm watch other") {
		t.Errorf("prints %q", text)
	}
}

// What bounds a transfer is stated with the distribution, and shown by its status; a
// change is none of the content.
func TestDistributeTraffic(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	stated := []string{"distribute", "site", "--artifact", f.artifact("site"), "--path", "/srv/site", "--json"}
	d := decode[api.Distribution](f, f.ok(append(stated, "--priority", "urgent", "--max-download", "8Mbit", "--max-upload", "unlimited",
		"--window", "mon-fri 08:00-18:00 2MiB/s", "--window", "otherwise 0", "--time-zone", "Europe/Amsterdam")...))
	down, up := d.MaxRates()
	if d.Priority != "urgent" || down != 1e6 || up != unit.Unlimited || len(d.Windows) != 2 || d.TimeZone != "Europe/Amsterdam" {
		t.Errorf("got %+v", d)
	}
	const shown = "priority urgent; download 976.6 KiB/s per node; mon-fri 08:00-18:00 2MiB/s; otherwise 0; times of Europe/Amsterdam"
	if out := f.ok("status", "site"); !strings.Contains(out, shown) {
		t.Errorf("status prints %q", out)
	}
	if again := decode[api.Distribution](f, f.ok(stated...)); again.Generation != d.Generation || again.Priority != "" || again.Windows != nil {
		t.Errorf("left out, it becomes %+v", again)
	}
	if out := f.ok("status", "site"); strings.Contains(out, "Traffic") {
		t.Errorf("status prints %q", out)
	}
	for _, test := range []struct {
		code        int
		words       string
		flag, value string
	}{
		{exitUsage, `--priority: "high" is not a priority`, "--priority", "high"},
		{exitUsage, "--max-download: 10 of what?", "--max-download", "10"},
		{exitUsage, "never means unlimited", "--max-upload", "0"},
		{exitUsage, "fast", "--max-upload", "fast"},
		{exitUsage, `--window: "someday 08:00-18:00 1Mbit"`, "--window", "someday 08:00-18:00 1Mbit"},
		{exitUsage, `--time-zone: "Amsterdam"`, "--time-zone", "Amsterdam"},
	} {
		f.fails(test.code, []string{test.words}, append(stated[:len(stated)-1:len(stated)-1], test.flag, test.value)...)
	}
}

func TestDistributeErrors(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	digest := f.artifact("site")
	for _, test := range []struct {
		code  int
		words string
		args  string
	}{
		{exitUsage, "distribute takes one NAME, not 0", "--artifact " + digest + " --path /srv/x"},
		{exitUsage, "--artifact, --source: one of these has to be given", "x --path /srv/x"},
		{exitUsage, "--artifact, --source: only one of these can be given", "x --path /srv/x --artifact a --source b"},
		{exitUsage, "--path: has to be given", "x --artifact " + digest},
		{exitUsage, "--label", "x --path /srv/x --artifact " + digest + " --label role"},
		{exitUsage, "both a and b", "x --path /srv/x --artifact " + digest + " --label r=a --label r=b"},
		{exitUsage, "--min-success", "x --path /srv/x --min-success 0 --artifact " + digest},
		{exitUsage, "--piece-size", "x --path /srv/x --source /etc/hostname --piece-size 3"},
		{exitUsage, "--timeout: -1s is no time to wait for", "x --path /srv/x --timeout -1s --artifact " + digest},
		{exitUsage, "--timeout", "x --path /srv/x --timeout soon --artifact " + digest},
		{exitFailed, "not absolute", "x --path srv/x --artifact " + digest},
		{exitFailed, "not absolute", "x --path srv/x --source /nonexistent"},
		{exitFailed, "start it with /", "x --path srv/x --artifact " + digest},
		{exitFailed, "none of the 3 known nodes matches", "x --path /srv/x --location nowhere --artifact " + digest},
		{exitFailed, "digest", "x --path /srv/x --artifact abc"},
		{exitFailed, "no such", "x --path /srv/x --artifact " + digestOf(nil)},
		{exitFailed, "/nonexistent", "x --path /srv/x --source /nonexistent"},
	} {
		t.Run(test.args, func(t *testing.T) {
			g := *f
			g.T = t
			g.fails(test.code, []string{test.words}, append([]string{"distribute"}, strings.Fields(test.args)...)...)
		})
	}
}

// An empty value is none that was meant: without the flag there is no ceiling.
func TestDistributeWithEmptyFlags(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	for _, flag := range []string{"--path", "--artifact", "--source", "--max-download", "--max-upload", "--priority", "--time-zone"} {
		args := []string{"distribute", "x", "--path", "/srv/x"}
		if flag != "--artifact" && flag != "--source" {
			args = append(args, "--artifact", f.artifact("site"))
		}
		f.fails(exitUsage, []string{flag + ": it is empty"}, append(args, flag, "")...)
	}
}

// A path that no node lets in is refused before anything is stated or published; one
// that some let in is stated, and the others are named.
func TestDistributeOutsideTheRoots(t *testing.T) {
	f := newFleet(t)
	for name, roots := range map[string][]string{"web1": {"/opt", "/srv"}, "web2": {"/srv"}} {
		f.must(f.store.PutNode(t.Context(), api.Node{Name: name, DataAddr: "10.0.0.1:7420", LastSeen: noon, Roots: roots}, time.Hour))
	}
	digest := f.artifact("site")
	for _, path := range []string{"/etc/x", "/srv", "/srvx/y", "/srv/../etc/x"} {
		f.fails(exitFailed, []string{path + ": the path is inside no allowed root of web1, web2; allowed: /opt, /srv", "add a root to roots"},
			"distribute", "x", "--artifact", digest, "--path", path)
	}
	f.fails(exitFailed, []string{"/etc/x: the path"}, "distribute", "x", "--source", "/local/never-read", "--path", "/etc/x")
	f.fails(exitFailed, []string{"/opt/x", "of web2; allowed: /srv"}, "distribute", "x", "--artifact", digest, "--path", "/opt/x", "--node", "web2")
	if all, err := f.store.Distributions(t.Context()); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v: something is stated", all, err)
	}
	if out := f.ok("distribute", "x", "--artifact", digest, "--path", "/opt/x"); !strings.Contains(out, "Not on web2: ") {
		t.Errorf("where some let it in: %s", out)
	}
	if out := f.ok("distribute", "y", "--artifact", digest, "--path", "/srv/y"); strings.Contains(out, "Not on") {
		t.Errorf("where all let it in: %s", out)
	}
}

func TestDistributeToALocationThatDoesNotParse(t *testing.T) {
	f := newFleet(t)
	r := f.run("distribute", "x", "--artifact", f.artifact("site"), "--path", "/srv/x", "--location", "a//b")
	if r.code != exitFailed || !strings.Contains(r.errOut, "selector.locations[0]") || !strings.Contains(r.errOut, "write for example ams1/rsn-27") {
		t.Errorf("got %+v", r)
	}
}

func TestDistributeSource(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	file := filepath.Join(t.TempDir(), "data")
	f.must(os.WriteFile(file, []byte("content"), 0o600))
	d := decode[api.Distribution](f, f.ok("distribute", "x", "--source", file, "--path", "/srv/x", "--json"))
	if d.Digest != digestOf([]byte("content")) {
		t.Errorf("distributed %s", d.Digest)
	}
}

// distributing starts distribute --wait of two nodes, web1 and web2.
func (f *fleet) distributing(args ...string) *call {
	f.Helper()
	f.nodes()
	return f.start(append([]string{"distribute", "site", "--artifact", f.artifact("site"), "--path", "/srv/site", "--label", "role=web", "--wait"}, args...)...)
}

func TestWaitForAll(t *testing.T) {
	f := newFleet(t)
	c := f.distributing()
	f.report("site", "web1", api.PhaseInstalled)
	f.report("site", "web2", api.PhaseFetching)
	f.report("site", "web2", api.PhaseInstalled)
	r := f.wait(c)
	if r.code != exitOK || !strings.Contains(r.out, "2 of 2 done") || !strings.Contains(r.errOut, "web2 ams1/r1: installed") {
		t.Errorf("got %+v", r)
	}
}

func TestWaitAsJSONPrintsTheLastStatusOnly(t *testing.T) {
	f := newFleet(t)
	c := f.distributing("--json")
	f.report("site", "web1", api.PhaseInstalled)
	f.report("site", "web2", api.PhaseInstalled)
	r := f.wait(c)
	if st := decode[api.Status](f, r.out); r.code != exitOK || !st.Summary.Done || r.errOut != "" {
		t.Errorf("got %+v", r)
	}
}

func fails(s *api.NodeStatus) {
	s.Error = &api.Error{Code: api.CodeForeignContent, Subject: "/srv/site", Message: "not put there by rackswarm", Fix: "move it away"}
}

func TestWaitEndsWithPartialSuccess(t *testing.T) {
	f := newFleet(t)
	c := f.distributing()
	f.report("site", "web1", api.PhaseInstalled)
	f.report("site", "web2", api.PhaseFailed, fails)
	f.failed(f.wait(c), exitPartial, "1 of 2 nodes are done, 1 failed", "web2 ams1/r1: failed (/srv/site: not put there")
	if out := c.out.String(); !strings.Contains(out, "Fix for web2: move it away") {
		t.Errorf("stdout:\n%s", out)
	}
}

func TestWaitCountsNodesThatAreDown(t *testing.T) {
	f := newFleet(t)
	c := f.distributing()
	f.report("site", "web1", api.PhaseInstalled)
	f.must(f.store.RemoveNode(t.Context(), "web2"))
	f.failed(f.wait(c), exitPartial, "1 of 2 nodes are done, 1 down")
}

func TestWaitEndsWithFailure(t *testing.T) {
	f := newFleet(t)
	c := f.distributing()
	f.report("site", "web1", api.PhaseFailed, fails)
	f.report("site", "web2", api.PhaseFailed, fails)
	f.failed(f.wait(c), exitFailed, "0 of 2 nodes are done, 2 failed")
}

func TestMinSuccessIsEnough(t *testing.T) {
	f := newFleet(t)
	c := f.distributing("--min-success", "50")
	f.report("site", "web1", api.PhaseInstalled)
	f.report("site", "web2", api.PhaseFetching)
	if r := f.wait(c); r.code != exitOK {
		t.Errorf("got %+v", r)
	}
}

func TestWaitTimesOut(t *testing.T) {
	f := newFleet(t)
	c := f.distributing("--timeout", "2s")
	f.report("site", "web1", api.PhaseInstalled)
	f.report("site", "web2", api.PhaseFetching)
	f.failed(f.wait(c), exitPartial, "1 of 2 nodes are done at the end of the time given")
}

func TestFailureThatHealsIsNotTheEnd(t *testing.T) {
	f := newFleet(t)
	f.nodes()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	digest := f.artifact("site")
	f.ok("distribute", "site", "--artifact", digest, "--path", "/srv/site", "--label", "role=web")
	f.report("site", "web1", api.PhaseInstalled)
	f.report("site", "web2", api.PhaseFailed, fails)

	// The same wait as the command's, with patience for settled failures.
	r := &run{App: App{settle: 20 * settleTime}, flags: globals{endpoints: []string{"unix://" + f.socket}}}
	c, err := r.connect()
	f.must(err)
	seen := make(chan api.Status, 100)
	go func() {
		<-seen
		f.report("site", "web2", api.PhaseInstalled)
	}()
	st, err := r.follow(ctx, c, "site", installed(1, 100), told(seen))
	if err != nil || !st.Summary.Done {
		t.Errorf("ended with %+v, %v", st.Summary, err)
	}
}

// told is a view that passes statuses on.
type told chan api.Status

func (c told) show(st api.Status) { c <- st }
func (c told) close()             {}
