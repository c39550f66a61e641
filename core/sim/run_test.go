package sim_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/sim"
	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
)

// racks are two racks of four behind 40 Mbit/s, and 8 MB; more is what a test
// adds to that.
func racks(t testing.TB, more string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(`
name: racks
artifact: {size: 8MB, piece: 64KiB, seed: 1}
locations:
  r1: {uplink: 40Mbit, hosts: 4}
  r2: {uplink: 40Mbit, hosts: 4}
host: {up: 100Mbit, down: 100Mbit}
initial: r1/1
receivers: all
deadline: 2m
`+more))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSameSeedSameReport(t *testing.T) {
	s := racks(t, "")
	a, b := run(t, s, sim.Options{Seed: 1}), run(t, s, sim.Options{Seed: 1})
	if !reflect.DeepEqual(a, b) {
		t.Errorf("two runs of one seed differ:\n%+v\n%+v", a, b)
	}
	if c := run(t, s, sim.Options{Seed: 2}); reflect.DeepEqual(a.Nodes, c.Nodes) {
		t.Error("another seed changes nothing")
	}
}

// Without the overlay, whose delays are drawn, runs differ by seed as well.
func TestSeedMattersWithoutOverlay(t *testing.T) {
	for _, picker := range []string{"stealing", "random", "rarest", "sequential", "market"} {
		s := racks(t, "strategy: {overlay: false, picker: "+picker+"}")
		a, b := run(t, s, sim.Options{Seed: 1}), run(t, s, sim.Options{Seed: 1})
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two runs of one seed differ", picker)
		}
		if c := run(t, s, sim.Options{Seed: 2}); reflect.DeepEqual(a.Nodes, c.Nodes) {
			t.Errorf("%s: another seed changes nothing", picker)
		}
	}
}

// Nobody has bytes that nobody sent, nor more than the content without counting
// them as duplicate.
func TestBytesAreConserved(t *testing.T) {
	s := racks(t, "")
	r := run(t, s, sim.Options{Seed: 3})
	for _, n := range r.Nodes {
		if got := n.Received - n.Duplicate; got != int64(s.Artifact.Size) {
			t.Errorf("%s received %d bytes that count, of %d", n.Node, got, s.Artifact.Size)
		}
	}
	for loc, c := range r.UplinkCopies {
		if use := r.LinkUse[loc]; use.Up > 1 || use.Down > 1 {
			t.Errorf("the uplink of %s was used more than it can be: %+v", loc, use)
		}
		if loc == "r2" && c.Down < 1 {
			t.Errorf("%g copies came into r2, where nobody had one", c.Down)
		}
	}
	if r.Last < r.Bound {
		t.Errorf("all is done after %g s, before the bound of %g s", r.Last, r.Bound)
	}
}

// What each kind of fault does to the run.
func TestFaults(t *testing.T) {
	calm := run(t, racks(t, ""), sim.Options{Seed: 1})
	slower := func(by float64) func(*testing.T, scenario.Report) {
		return func(t *testing.T, r scenario.Report) {
			if r.Last < calm.Last*by {
				t.Errorf("the last is done after %g s, and after %g s without", r.Last, calm.Last)
			}
		}
	}
	anyhow := func(*testing.T, scenario.Report) {}
	for _, c := range []struct {
		name, more string
		failed     []scenario.Failure
		check      func(*testing.T, scenario.Report)
	}{
		{"a receiver is killed", "faults: [{at: 1s, kill: r2/2}]", []scenario.Failure{{Node: "r2/2", Reason: scenario.Killed}}, anyhow},
		{"a receiver comes back", "faults: [{at: 500ms, kill: r2/2}, {at: 1s, start: r2/2}]", nil, func(t *testing.T, r scenario.Report) {
			i := slices.IndexFunc(r.Nodes, func(n scenario.NodeReport) bool { return n.Node == "r2/2" })
			if n := r.Nodes[i]; n.Received-n.Duplicate != 8e6 {
				t.Errorf("in both lives it received %d bytes that count", n.Received-n.Duplicate)
			}
		}},
		{"a receiver is killed before it joins", "faults: [{at: 0s, kill: r2/2}, {at: 6s, start: r2/2}]", nil, func(t *testing.T, r scenario.Report) {
			if r.Last < 6 {
				t.Errorf("done after %g s, when it was not back", r.Last)
			}
		}},
		{"the seeder is killed too early", "faults: [{at: 100ms, kill: r1/1}]", []scenario.Failure{
			{Node: "r1/2", Reason: late}, {Node: "r1/3", Reason: late}, {Node: "r1/4", Reason: late},
			{Node: "r2/1", Reason: late}, {Node: "r2/2", Reason: late}, {Node: "r2/3", Reason: late}, {Node: "r2/4", Reason: late}}, anyhow},
		{"the store is down for a while", "faults: [{at: 500ms, kill: store}, {at: 1s, start: store}]", nil, anyhow},
		{"the store is down before anybody joins", "faults: [{at: 1ms, kill: store}, {at: 3s, start: store}]", nil, func(t *testing.T, r scenario.Report) {
			if r.Last < 3 {
				t.Errorf("done after %g s, when the store was not back", r.Last)
			}
		}},
		{"a rack is cut off for a while", "faults: [{at: 500ms, partition: r2, for: 2s}]", nil, slower(1.5)},
		{"a rack is cut off for longer than TCP waits", "faults: [{at: 500ms, partition: r2, for: 20s}]", nil, slower(5)},
		{"an uplink gets slower", "faults: [{at: 200ms, link: r2, rate: 10Mbit}]", nil, slower(2)},
		{"a node sends wrong bytes", "faults: [{at: 300ms, corrupt: r1/2}]", nil, func(t *testing.T, r scenario.Report) {
			if wasted(r) <= wasted(calm) {
				t.Errorf("%d bytes were in vain, and %d without", wasted(r), wasted(calm))
			}
		}},
		{"the seeder gets slower", "faults: [{at: 100ms, slow: r1/1, rate: 500KiB}]", nil, slower(2)},
		{"a node moves", "faults: [{at: 500ms, move: r2/2, to: r1}]", nil, func(t *testing.T, r scenario.Report) {
			if r.UplinkCopies["r1"].Down <= calm.UplinkCopies["r1"].Down {
				t.Error("nothing more came into r1, though one there keeps its peers in r2")
			}
		}},
		{"the site fills the uplink", "background: [{from: r1/2, to: r2/2, rate: 30Mbit, proto: udp}]", nil, slower(1.5)},
		{"the site shares the uplink", "background: [{from: r1/2, to: r2/2, rate: 10Mbit}]", nil, func(t *testing.T, r scenario.Report) {
			if got := r.Background[0].Got; got < 2e6 || got > 10.1e6 {
				t.Errorf("the site's flow got %g bit/s of 10 Mbit/s", got)
			}
		}},
		{"receivers join one after the other", "stagger: 4s", nil, slower(1.2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := racks(t, c.more)
			r := run(t, s, sim.Options{Seed: 1})
			if !slices.Equal(r.Failed, append([]scenario.Failure{}, c.failed...)) {
				t.Errorf("failed: %v", r.Failed)
			}
			if len(r.Nodes)+len(r.Failed) != len(s.Receivers) {
				t.Errorf("%d finished and %d failed of %d", len(r.Nodes), len(r.Failed), len(s.Receivers))
			}
			c.check(t, r)
		})
	}
}

const late = "not complete at the deadline of 2m0s"

func wasted(r scenario.Report) (n int64) {
	for _, x := range r.Nodes {
		n += x.Duplicate
	}
	return n
}

// Every way to fetch comes to an end, and without the overlay more crosses.
func TestStrategies(t *testing.T) {
	with := run(t, racks(t, ""), sim.Options{Seed: 1})
	for _, strategy := range []string{"{overlay: false}", "{division: false}", "{stealing: false}", "{lowLatency: false}", "{picker: random}", "{picker: rarest}", "{picker: sequential}", "{picker: market}"} {
		t.Run(strategy, func(t *testing.T) {
			s := racks(t, "strategy: "+strategy)
			r := run(t, s, sim.Options{Seed: 1})
			if len(r.Nodes) != len(s.Receivers) {
				t.Errorf("failed: %v", r.Failed)
			}
			if !s.Strategy.Overlay && r.UplinkCopies["r2"].Down <= with.UplinkCopies["r2"].Down {
				t.Errorf("%g copies came into r2, with the overlay %g", r.UplinkCopies["r2"].Down, with.UplinkCopies["r2"].Down)
			}
		})
	}
}

// A long way with losses is slower, by the window and by what TCP makes of losses.
func TestLongAndLossyUplinks(t *testing.T) {
	times := map[string]float64{}
	for _, more := range []string{"", ", rtt: 80ms", ", loss: 2%, rtt: 80ms"} {
		s, err := scenario.Parse("test.yaml", []byte(fmt.Sprintf(`
name: way
artifact: {size: 8MB, seed: 1}
locations:
  r1: {hosts: 1}
  r2: {uplink: 100Mbit, hosts: 1%s}
host: {up: 100Mbit, down: 100Mbit}
initial: r1/1
receivers: all
deadline: 5m
`, more)))
		if err != nil {
			t.Fatal(err)
		}
		times[more] = run(t, s, sim.Options{Seed: 1}).Last
	}
	if !(times[""] < times[", rtt: 80ms"] && 3*times[", rtt: 80ms"] < times[", loss: 2%, rtt: 80ms"]) {
		t.Errorf("times are %v", times)
	}
}

// Probes see the queue of the uplink that is full.
func TestProbesSeeQueues(t *testing.T) {
	r := run(t, racks(t, "probes: [{from: r1/2, to: r2/2}, {from: r1/2, to: r2/3, proto: http}]"), sim.Options{Seed: 1})
	for _, p := range r.Probes {
		if p.RunP50 < p.IdleP50+20 || p.Lost > 0 {
			t.Errorf("%+v", p)
		}
	}
}

// A trace has what agents write: names that parse, clocks that count.
func TestTrace(t *testing.T) {
	clocks := map[unit.NodeID]uint64{}
	complete := 0
	run(t, racks(t, ""), sim.Options{Seed: 1, Trace: func(l trace.Line) {
		text, err := trace.Append(nil, l)
		if err != nil {
			t.Fatal(err)
		}
		back, err := trace.Parse(text[:len(text)-1])
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if clocks[back.Node]++; back.Clock != clocks[back.Node] {
			t.Fatalf("line %d of %s has the clock %d", clocks[back.Node], back.Node, back.Clock)
		}
		if _, is := back.Event.(trace.Complete); is {
			complete++
		}
	}})
	if complete != 8 {
		t.Errorf("%d nodes wrote that they have everything, of 8", complete)
	}
}

// A tree of many small files has more spans than bytes would make.
func TestTreeOfFiles(t *testing.T) {
	s := racks(t, "")
	s.Artifact.Files = 300
	if r := run(t, s, sim.Options{Seed: 1}); len(r.Nodes) != len(s.Receivers) {
		t.Errorf("failed: %v", r.Failed)
	}
}
