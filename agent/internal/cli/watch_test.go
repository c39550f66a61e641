package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// watched is a fleet with a distribution to two nodes, of which one is done.
func watched(t *testing.T) *fleet {
	t.Helper()
	f := newFleet(t)
	f.nodes()
	f.ok("distribute", "site", "--artifact", f.artifact("site"), "--path", "/srv/site", "--label", "role=web")
	f.report("site", "web1", api.PhaseInstalled)
	f.report("site", "web2", api.PhaseFetching, func(s *api.NodeStatus) { s.BytesDone = 1 << 20 })
	return f
}

// says waits until the command has printed the text.
func (f *fleet) says(c *call, text string) {
	f.Helper()
	f.eventually("output "+text, func() bool { return strings.Contains(c.out.String()+c.errOut.String(), text) })
}

func TestWatchUntilDone(t *testing.T) {
	f := watched(t)
	c := f.start("watch", "site")
	f.says(c, "web2 ams1/r1: fetching")
	f.report("site", "web2", api.PhaseInstalled)
	r := f.wait(c)
	if r.code != exitOK {
		t.Fatalf("got %+v", r)
	}
	f.golden("watch", r.out)
}

func TestWatchAsJSONLines(t *testing.T) {
	f := watched(t)
	c := f.start("watch", "site", "--json")
	f.says(c, "fetching")
	f.report("site", "web2", api.PhaseInstalled)
	r := f.wait(c)
	all := strings.Split(strings.TrimSpace(r.out), "\n")
	for i, line := range all {
		if st := decode[api.Status](f, line); st.Summary.Done != (i == len(all)-1) {
			t.Errorf("line %d of %d: %s", i, len(all), line)
		}
	}
	if r.code != exitOK || len(all) < 2 || r.errOut != "" {
		t.Errorf("got %+v", r)
	}
}

func TestWatchInterruptedLeavesTheDistribution(t *testing.T) {
	f := watched(t)
	c := f.start("watch", "site")
	f.says(c, "web2 ams1/r1: fetching")
	c.interrupt()
	f.failed(f.wait(c), exitInterrupted, "the distribution goes on without this command", "rackswarm watch site")
	if f.distribution("site").State != api.StatePresent {
		t.Error("the distribution has changed")
	}
}

func TestWatchOfNothing(t *testing.T) {
	newFleet(t).fails(exitFailed, []string{"nothing", "no such"}, "watch", "nothing")
}

func TestWatchOfARemoval(t *testing.T) {
	f := watched(t)
	f.ok("rm", "site", "--content=remove")
	c := f.start("watch", "site")
	f.says(c, "pending")
	f.report("site", "web1", api.PhaseRemoved)
	f.report("site", "web2", api.PhaseRemoved)
	if r := f.wait(c); r.code != exitOK || !strings.Contains(r.errOut, "site is removed") {
		t.Errorf("got %+v", r)
	}
}

func TestLinesSayHowFarItIs(t *testing.T) {
	var out strings.Builder
	now := noon
	l := newLines(&out, func() time.Time { return now })
	st := api.Status{
		Distribution: api.Distribution{Name: "site"},
		Nodes:        []api.NodeStatus{{Node: "web1", Phase: api.PhaseFetching, BytesDone: 25, BytesTotal: 100, Rate: 1 << 20}},
		Summary:      api.Summary{Targets: 1},
	}
	l.show(st)
	now = now.Add(lineInterval)
	l.show(st)
	now = now.Add(lineInterval)
	l.show(st) // nothing has changed
	l.close()
	if want := "web1 /: fetching\nsite: 0 of 1 nodes, 25% of 100 B, 1.0 MiB/s\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// TestBars draws on something that is no terminal; what counts is what is drawn
// last, and that it ends.
func TestBars(t *testing.T) {
	for name, rows := range map[string]int{"a bar for each": 24, "more nodes than rows": 4} {
		t.Run(name, func(t *testing.T) {
			var out buffer
			b := newBars(&out, rows)
			d := api.Distribution{Name: "site", Digest: "d", Generation: 1}
			for step := range 5 {
				b.show(fleetAt(d, step))
			}
			b.close()
			for _, want := range []string{"all nodes", "4 of 5 nodes", "web4", "failed  /srv: no space"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not drawn in:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestBarsWithoutAnythingToShow(t *testing.T) {
	newBars(&buffer{}, 24).close() // returns
	(&publishBar{bars: newBars(&buffer{}, 24)}).close(false)
}

// fleetAt is a status in which one more node is done in each step, and the last
// one fails.
func fleetAt(d api.Distribution, step int) api.Status {
	st := api.Status{Distribution: d, Summary: api.Summary{Targets: 5, Converged: step}}
	for i := range 5 {
		n := api.NodeStatus{Node: "web" + string(rune('0'+i)), Digest: d.Digest, Generation: 1, Phase: api.PhaseFetching, BytesTotal: 100, BytesDone: 50}
		switch {
		case i < step:
			n.Phase, n.Installed, n.BytesDone = api.PhaseInstalled, d.Digest, 100
		case i == 4 && step > 1:
			n.Phase, n.Error = api.PhaseFailed, &api.Error{Subject: "/srv", Message: "no space"}
		}
		st.Nodes = append(st.Nodes, n)
	}
	return st
}
