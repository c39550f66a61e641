package scenario

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// finished is a host that has 10 MB at some second.
func finished(second float64) NodeObserved {
	return NodeObserved{Finished: true, SHA256: true, Finish: time.Duration(second * 1e9), Received: 10e6, CPU: time.Second}
}

func TestReport(t *testing.T) {
	s := mustParse(t, "name: n\n"+twoRacks+"faults: [{at: 1s, kill: b/2}, {at: 2s, kill: b/1}, {at: 3s, start: b/1}]")
	seeder := NodeObserved{Sent: 11e6, CPU: time.Second, Crossed: Crossing{Up: 111e5}}
	late := finished(20)
	late.Duplicate, late.Received, late.MaxRSS = 1e6, 11e6, 3*unit.MiB
	late.Crossed.Down = 20e6 // disagrees with what the agent says
	r, err := s.Report("ours", Observed{
		Nodes:   map[unit.NodeID]NodeObserved{"a/1": seeder, "a/2": finished(10), "b/1": late, "b/2": {CPU: time.Second}},
		Ended:   20 * time.Second,
		Crossed: map[unit.Location]Crossing{"a": {Up: 105e5}, "b": {Down: 12e6, Up: 1e6}},
		StartWays: []StartWay{
			{"a/1", "a/2", time.Millisecond}, {"a/2", "a/1", 2 * time.Millisecond}, {"b/1", "a/1", 3 * time.Millisecond},
		},
		Notes: []string{"seen"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []NodeReport{{"a/2", 10, true, 10e6, 0, 0, 1}, {"b/1", 20, true, 11e6, 1e6, 3, 1}}; !slices.Equal(r.Nodes, want) {
		t.Errorf("nodes %v, want %v", r.Nodes, want)
	}
	if want := []Failure{{"b/2", Killed}}; !slices.Equal(r.Failed, want) {
		t.Errorf("failed %v, want %v", r.Failed, want)
	}
	if want := []Point{{0, 0}, {10, 1}, {20, 2}}; !slices.Equal(r.Complete, want) {
		t.Errorf("complete %v, want %v", r.Complete, want)
	}
	bound, err := s.Bound()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"bound", r.Bound, bound.Time.Seconds()},
		{"last", r.Last, 20},
		{"median", r.Median, 15},
		{"spread", r.Spread, 9. / 15}, // p95 is 19.5, p5 is 10.5
		{"last ÷ bound", r.LastOverBound, 20 / bound.Time.Seconds()},
		{"median ÷ bound", r.MedianOverBound, 15 / bound.Time.Seconds()},
		{"seeding ratio", r.SeedingRatio, 1.1},
		{"copies into b", r.UplinkCopies["b"].Down, 1.2},
		{"copies out of a", r.UplinkCopies["a"].Up, 1.05},
		{"CPU of all four for two deliveries", r.CPUPerGiB, 4 / (20e6 / float64(unit.GiB))},
		{"p50 of START", r.StartLatency.P50, 2},
		{"p99 of START", r.StartLatency.P99, 2.98},
		{"p50 of START within a location", r.StartLatency.Within.P50, 1.5},
		{"p99 of START within a location", r.StartLatency.Within.P99, 1.99},
		{"STARTs within a location", float64(r.StartLatency.Within.Count), 2},
		{"p99 of START across an uplink", r.StartLatency.Across.P99, 3},
		{"STARTs across an uplink", float64(r.StartLatency.Across.Count), 1},
	} {
		if !near(c.got, c.want) {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
	if len(r.Notes) != 2 || r.Notes[0] != "seen" || !strings.Contains(r.Notes[1], "b/1 says that it received 10.5 MiB, but 19.1 MiB passed") {
		t.Errorf("notes %q", r.Notes)
	}
}

// A system that counts nothing is seen from outside.
func TestReportFromInterfaces(t *testing.T) {
	s := mustParse(t, twoRacks+"receivers: [b/1]")
	r, err := s.Report("http", Observed{Nodes: map[unit.NodeID]NodeObserved{
		"a/1": {Crossed: Crossing{Up: 12e6}},
		"b/1": {Finished: true, SHA256: true, Finish: 10 * time.Second, Crossed: Crossing{Down: 11e6}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r.SeedingRatio != 1.2 || r.Nodes[0].Received != 11e6 || len(r.Notes) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestReportOfFailures(t *testing.T) {
	s := mustParse(t, "deadline: 1m\n"+twoRacks)
	r, err := s.Report("x", Observed{Nodes: map[unit.NodeID]NodeObserved{
		"a/2": {Finished: true, Finish: time.Second}, "b/1": {Failure: "exit status 1"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Failure{{"a/2", "the content differs from what was distributed"}, {"b/1", "exit status 1"}, {"b/2", "not complete at the deadline of 1m0s"}}
	if !slices.Equal(r.Failed, want) || r.Last != 0 || len(r.Nodes) != 0 {
		t.Errorf("failed %q, nodes %v", r.Failed, r.Nodes)
	}
	if _, err := s.Report("x", Observed{Nodes: map[unit.NodeID]NodeObserved{"c/1": {}}}); err == nil || !strings.Contains(err.Error(), "c/1 is not a host") {
		t.Errorf("a host from elsewhere: %v", err)
	}
}

func TestReportWithoutBound(t *testing.T) {
	s := mustParse(t, twoRacks+"faults: [{at: 1s, partition: b}]")
	r, err := s.Report("x", Observed{Nodes: map[unit.NodeID]NodeObserved{"a/2": finished(5)}})
	if err != nil || r.Bound != 0 || r.LastOverBound != 0 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "no bound") {
		t.Errorf("%+v, %v", r, err)
	}
}

// Who was to be killed after the run was over is a receiver like others.
func TestReportOfAKillThatDidNotHappen(t *testing.T) {
	s := mustParse(t, twoRacks+"receivers: [b/1]\nfaults: [{at: 1m, kill: b/1}]")
	for ended, failed := range map[time.Duration]int{50 * time.Second: 0, 2 * time.Minute: 1} {
		r, err := s.Report("x", Observed{Nodes: map[unit.NodeID]NodeObserved{"b/1": finished(50)}, Ended: ended})
		if err != nil || len(r.Failed) != failed || len(r.Nodes) != 1-failed {
			t.Errorf("after %v: %+v, %v", ended, r, err)
		}
	}
}

// Programs that read reports know these keys.
func TestKeysOfAReport(t *testing.T) {
	text, err := json.Marshal(Report{
		Nodes: []NodeReport{{}}, Failed: []Failure{{}}, UplinkCopies: map[unit.Location]UpDown{"a": {}}, LinkUse: map[unit.Location]Peak{"a": {}},
		Overlay: OverlayReport{Representatives: map[unit.Location]int{"a": 2}},
		Probes:  []ProbeReport{{}}, Background: []FlowReport{{}}, Complete: []Point{{}}, Bytes: []Point{{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"scenario":"","system":"",` +
		`"nodes":[{"node":"","finish_s":0,"sha256_ok":false,"bytes_received":0,"bytes_duplicate":0,"max_rss_mib":0,"cpu_s":0}],` +
		`"failed":[{"node":"","reason":""}],"bound_s":0,"last_s":0,"spread":0,"start_latency_ms":{"p50":0,"p99":0},"median_s":0,` +
		`"last_over_bound":0,"median_over_bound":0,"seeding_ratio":0,"uplink_copies":{"a":{"down":0,"up":0}},` +
		`"overlay":{"built_s":0,"representatives":{"a":2},"store_ops":0,"store_ops_peak_per_s":0},` +
		`"probes":[{"from":"","to":"","idle_p50_ms":0,"idle_p99_ms":0,"run_p50_ms":0,"run_p99_ms":0,"lost":0}],` +
		`"background":[{"from":"","to":"","asked_bps":0,"got_bps":0}],` +
		`"link_use":{"a":{"up_peak":0,"down_peak":0}},"cpu_s_per_gib":0,"complete_over_time":[[0,0]],"bytes_over_time":[[0,0]]}`
	if string(text) != want {
		t.Errorf("a report is\n%s, not\n%s", text, want)
	}
}

// A reader of the JSON finds lists and maps, empty ones too.
func TestReportIsNeverNull(t *testing.T) {
	s := mustParse(t, twoRacks)
	empty, err := s.Report("x", Observed{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Report{empty, s.Missing("x", "is not installed")} {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "null") {
			t.Errorf("null in %s", text)
		}
	}
	text, err := json.Marshal(Summarize(nil))
	if err != nil || string(text) != "[]" {
		t.Errorf("no summaries are %s, %v", text, err)
	}
}

func TestQuantile(t *testing.T) {
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.95: 4.8, 1: 5, 0.1: 1.4} {
		if got := Quantile([]float64{1, 2, 3, 4, 5}, q); !near(got, want) {
			t.Errorf("%v-quantile is %v, want %v", q, got, want)
		}
	}
}
