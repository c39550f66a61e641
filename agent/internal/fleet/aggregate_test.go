package fleet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

const wantedDigest = "sha256:wanted"

// A node that has not reported on this generation is pending, and keeps only
// what stands on its disk.
func TestPendingKeepsWhatStands(t *testing.T) {
	d := api.Distribution{Digest: wantedDigest, Generation: 3, State: api.StatePresent}
	a := &api.Artifact{SizeBytes: 77}
	old := api.NodeStatus{Node: "web1", Phase: api.PhaseInstalled, Digest: "sha256:old", Installed: "sha256:old", Generation: 2,
		BytesDone: 50, Received: api.Received{ByLevel: []int64{9}, Seeder: 9}, Error: &api.Error{}}
	st := Aggregate(d, a, []api.Node{{Name: "web1", Alive: true}, {Name: "web2"}}, []api.NodeStatus{old})
	one, two := st.Nodes[0], st.Nodes[1]
	if one.Phase != api.PhasePending || one.Installed != "sha256:old" || one.BytesDone != 0 || one.Received.Seeder != 0 ||
		one.Error != nil || one.Digest != wantedDigest || one.BytesTotal != 77 || one.Unreachable {
		t.Errorf("reported before: %+v", one)
	}
	if two.Phase != api.PhasePending || two.Node != "web2" || !two.Unreachable {
		t.Errorf("never reported: %+v", two)
	}
}

// Those who have staged it wait for whoever has not, whatever the reason.
func TestBlockers(t *testing.T) {
	d := api.Distribution{Digest: wantedDigest, Generation: 3, State: api.StatePresent, Activate: api.ActivateTogether, Activated: 2}
	nodes := []api.Node{{Name: "down"}, {Name: "failed", Alive: true}, {Name: "new", Alive: true}, {Name: "staged", Alive: true}, {Name: "stands", Alive: true}}
	var reports []api.NodeStatus
	for _, r := range []api.NodeStatus{{Node: "down", Phase: api.PhaseStaged}, {Node: "failed", Phase: api.PhaseFailed},
		{Node: "staged", Phase: api.PhaseStaged}, {Node: "stands", Phase: api.PhaseInstalled, Installed: wantedDigest}} {
		r.Digest, r.Generation = wantedDigest, 3
		reports = append(reports, r)
	}
	s := Aggregate(d, nil, nodes, reports).Summary
	if !slices.Equal(s.Blockers, []string{"down", "failed", "new"}) || s.Staged != 2 || s.Converged != 1 {
		t.Errorf("%+v", s)
	}
	d.Activated = 3
	if s := Aggregate(d, nil, nodes, reports).Summary; s.Blockers != nil {
		t.Errorf("decided: %+v", s)
	}
}

func TestMeasures(t *testing.T) {
	nodes := []api.NodeStatus{
		{Location: "ams1/r1", Received: api.Received{ByLevel: []int64{100, 20, 300}, Seeder: 90}},
		{Location: "ams1/r1", Received: api.Received{ByLevel: []int64{0, 5}}},
		{Location: "ams1/r2", Received: api.Received{ByLevel: []int64{7, 100, 0}, Seeder: 10}},
		{Location: "fra1", Received: api.Received{ByLevel: []int64{50, 60}}},
		{Location: "fra1/r9/rack", Received: api.Received{ByLevel: nil}},
		{Location: "", Received: api.Received{ByLevel: []int64{1000}, Seeder: 100}},
	}
	var s api.Summary
	measure(&s, 100, nodes)
	want := map[string]float64{"ams1": 1.07, "ams1/r1": 1.25, "ams1/r2": 1.07, "fra1": 0.5, "fra1/r9": 0, "fra1/r9/rack": 0}
	if !reflect.DeepEqual(s.UplinkCopies, want) {
		t.Errorf("copies %v; want %v", s.UplinkCopies, want)
	}
	if s.SeedingRatio != 2 || s.CrossBytes != 157 {
		t.Errorf("seeding ratio %v, cross bytes %d", s.SeedingRatio, s.CrossBytes)
	}
	measure(&s, 0, nodes)
	if s.SeedingRatio != 0 || s.UplinkCopies["ams1"] != 0 {
		t.Errorf("an artifact of no bytes: %+v", s)
	}
}

func TestSeconds(t *testing.T) {
	at := func(s int64) *time.Time { t := time.Unix(s, 0); return &t }
	for _, c := range []struct {
		name  string
		nodes []api.NodeStatus
		want  float64
	}{
		{"nobody", nil, 0},
		{"not installed yet", []api.NodeStatus{{StartedAt: at(10)}}, 0},
		{"first to last", []api.NodeStatus{{StartedAt: at(12), InstalledAt: at(15)}, {StartedAt: at(10), InstalledAt: at(14)}}, 5},
		{"clocks disagree", []api.NodeStatus{{StartedAt: at(20)}, {InstalledAt: at(15)}}, 0},
	} {
		if got := seconds(c.nodes); got != c.want {
			t.Errorf("%s: %v; want %v", c.name, got, c.want)
		}
	}
}

// drawn is a random fleet with random reports on a distribution.
type drawn struct {
	d       api.Distribution
	nodes   []api.Node
	reports []api.NodeStatus
}

const drawnSize = 1000

var drawLocations = []string{"", "ams1", "ams1/r1", "ams1/r2", "fra1/r1", "fra1/r1/s3"}

func draw(t *rapid.T) drawn {
	w := drawn{d: api.Distribution{Name: "app", Digest: wantedDigest, Generation: 2,
		State:    rapid.SampledFrom([]string{api.StatePresent, api.StateAbsent}).Draw(t, "state"),
		Selector: api.Selector{Locations: rapid.SliceOfN(rapid.SampledFrom(drawLocations), 0, 2).Draw(t, "locations")}}}
	for i := range rapid.IntRange(0, 8).Draw(t, "nodes") {
		n := api.Node{Name: fmt.Sprintf("n%d", i), Location: rapid.SampledFrom(drawLocations).Draw(t, "location"), Alive: rapid.Bool().Draw(t, "alive")}
		w.nodes = append(w.nodes, n)
		if rapid.Bool().Draw(t, "reports") {
			w.reports = append(w.reports, drawReport(t, n))
		}
	}
	if rapid.Bool().Draw(t, "forgotten") {
		w.reports = append(w.reports, drawReport(t, api.Node{Name: "forgotten", Location: "ams1"}))
	}
	return w
}

func drawReport(t *rapid.T, n api.Node) api.NodeStatus {
	depth := unit.Location(n.Location).Depth()
	return api.NodeStatus{Node: n.Name, Location: n.Location,
		Phase:      rapid.SampledFrom([]api.Phase{api.PhaseFetching, api.PhaseInstalled, api.PhaseRemoved, api.PhaseFailed}).Draw(t, "phase"),
		Digest:     wantedDigest,
		Generation: rapid.Int64Range(1, 2).Draw(t, "generation"),
		Installed:  rapid.SampledFrom([]string{"", wantedDigest, "sha256:old"}).Draw(t, "installed"),
		Drifted:    rapid.Bool().Draw(t, "drifted"),
		Received: api.Received{ByLevel: rapid.SliceOfN(rapid.Int64Range(0, 5000), depth+1, depth+1).Draw(t, "bytes"),
			Seeder: rapid.Int64Range(0, 5000).Draw(t, "seeder")},
	}
}

func TestAggregateProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := draw(t)
		a := &api.Artifact{SizeBytes: drawnSize}
		st := Aggregate(w.d, a, w.nodes, w.reports)
		checkTargets(t, w, st)
		checkCounts(t, st)
		checkBytes(t, st)

		shuffled := drawn{w.d, slices.Clone(w.nodes), slices.Clone(w.reports)}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rng.Shuffle(len(shuffled.nodes), reflect.Swapper(shuffled.nodes))
		rng.Shuffle(len(shuffled.reports), reflect.Swapper(shuffled.reports))
		if again := Aggregate(w.d, a, shuffled.nodes, shuffled.reports); !reflect.DeepEqual(again, st) {
			t.Fatalf("order matters:\n%+v\n%+v", again, st)
		}
	})
}

// Every selected node that is known appears once, and nobody else.
func checkTargets(t *rapid.T, w drawn, st api.Status) {
	var want, got []string
	for _, n := range w.nodes {
		if w.d.Selector.Matches(n) {
			want = append(want, fmt.Sprint(n.Name, n.Location, !n.Alive))
		}
	}
	for _, r := range st.Nodes {
		got = append(got, fmt.Sprint(r.Node, r.Location, r.Unreachable))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Fatalf("targets %v; want %v", got, want)
	}
}

func checkCounts(t *rapid.T, st api.Status) {
	s := st.Summary
	if s.Targets != len(st.Nodes) || s.Converged+s.Failed > s.Targets || s.Offline > s.Targets || s.Done != (s.Converged == s.Targets) {
		t.Fatalf("%+v", s)
	}
	for _, r := range st.Nodes {
		if r.Phase != api.PhasePending && r.Generation != st.Distribution.Generation {
			t.Fatalf("a report of generation %d counts: %+v", r.Generation, r)
		}
	}
}

// What enters a location is what its nodes had from senders outside of it;
// nothing is made up.
func checkBytes(t *rapid.T, st api.Status) {
	var cross, all float64
	for l, copies := range st.Summary.UplinkCopies {
		if copies < 0 || l == "" {
			t.Fatalf("%q: %v copies", l, copies)
		}
		if unit.Location(l).Depth() == 1 {
			cross += copies
		}
		var inner float64
		for _, r := range st.Nodes {
			if !unit.Location(l).Contains(unit.Location(r.Location)) {
				continue
			}
			for level, b := range r.Received.ByLevel {
				if level < unit.Location(l).Depth() {
					inner += float64(b)
				}
			}
		}
		if math.Abs(inner/drawnSize-copies) > 1e-9 {
			t.Fatalf("%q: %v copies of %v bytes", l, copies, inner)
		}
	}
	for _, r := range st.Nodes {
		for _, b := range r.Received.ByLevel {
			all += float64(b)
		}
	}
	if math.Abs(cross*drawnSize-float64(st.Summary.CrossBytes)) > 1e-6 || float64(st.Summary.CrossBytes) > all {
		t.Fatalf("%d cross bytes; %v copies; %v bytes in all", st.Summary.CrossBytes, cross, all)
	}
}
