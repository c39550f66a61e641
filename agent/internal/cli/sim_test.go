package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const twoRacks = `name: two-racks
artifact: {size: 2MB, seed: 1}
locations:
  r1: {uplink: 40Mbit, hosts: 2}
  r2: {uplink: 20Mbit, hosts: 2}
host: {up: 100Mbit, down: 100Mbit}
initial: r1/1
receivers: all
deadline: 1m
`

func scenarioFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSim(t *testing.T) {
	file := scenarioFile(t, twoRacks)
	traced := filepath.Join(t.TempDir(), "trace")
	r := alone(t, App{}, "sim", file, "--json", "--trace", traced)
	var reports []scenario.Report
	if err := json.Unmarshal([]byte(r.out), &reports); r.code != exitOK || err != nil || len(reports) != 1 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if got := reports[0]; len(got.Nodes) != 3 || got.System != "sim" || got.LastOverBound < 1 {
		t.Errorf("got %+v", got)
	}
	if lines, err := os.ReadFile(traced); err != nil || !strings.Contains(string(lines), `"node":"r2.1"`) {
		t.Errorf("the trace has %d bytes, %v", len(lines), err)
	}
	other := alone(t, App{}, "sim", file, "--json", "--strategy", "overlay=false,picker=random")
	if other.code != exitOK || other.out == r.out {
		t.Errorf("another strategy gave %+v", other)
	}
}

func TestSimRepeats(t *testing.T) {
	r := alone(t, App{}, "sim", scenarioFile(t, twoRacks), "--seed", "7", "--reps", "2")
	if r.code != exitOK || !strings.Contains(r.out, "\n7     3/3 ") || !strings.Contains(r.out, "\n8     3/3 ") {
		t.Errorf("got %+v", r)
	}
}

func TestSimRefuses(t *testing.T) {
	good := scenarioFile(t, twoRacks)
	bad := scenarioFile(t, strings.Replace(twoRacks, "seed: 1", "sede: 1", 1))
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"sim", exitUsage, "takes one SCENARIO"},
		{"sim " + good + " --reps 0", exitUsage, "0 repetitions"},
		{"sim " + good + " --reps 2 --trace x", exitUsage, "one repetition"},
		{"sim " + good + " --strategy overlay=perhaps", exitUsage, "overlay=false"},
		{"sim " + good + " --strategy picker=best", exitUsage, "stealing, random, rarest"},
		{"sim " + good + " --trace /nonexistent/trace", exitFailed, "/nonexistent/trace"},
		{"sim /nonexistent.yaml", exitUsage, "/nonexistent.yaml"},
		{"plan /nonexistent.yaml", exitUsage, "/nonexistent.yaml"},
		{"sim " + bad, exitUsage, "artifact.sede"},
		{"plan " + bad, exitUsage, bad + ":2:"},
	} {
		r := alone(t, App{}, strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.errOut, c.says) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
}

// The exit code says whether all receivers finish that no fault kills for good.
func TestSimAndPlanSayByExitCodeWhoFinishes(t *testing.T) {
	tooShort := scenarioFile(t, strings.Replace(twoRacks, "deadline: 1m", "deadline: 300ms", 1))
	killed := scenarioFile(t, twoRacks+"faults: [{at: 1ms, kill: r2/2}]\n")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"sim " + killed, exitOK, ""},
		{"plan " + killed, exitOK, ""},
		{"sim " + tooShort, exitFailed, "two-racks: 3 of 3 receivers do not finish"},
		{"sim " + tooShort + " --json", exitFailed, "3 of 3"},
		{"sim " + tooShort + " --reps 2", exitFailed, "6 receivers do not finish, in 2 repetitions"},
		{"plan " + tooShort, exitFailed, "3 of 3"},
	} {
		r := alone(t, App{}, strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.errOut, c.says) || r.out == "" {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
}

func TestPlan(t *testing.T) {
	r := alone(t, App{}, "plan", scenarioFile(t, twoRacks), "--json")
	var p plan
	if err := json.Unmarshal([]byte(r.out), &p); r.code != exitOK || err != nil {
		t.Fatalf("got %+v, %v", r, err)
	}
	if p.Bound < 0.8 || p.Bound > 0.9 || p.Time < p.Bound || !strings.Contains(p.Limits[0].Text, "into r2") {
		t.Errorf("got %+v", p)
	}
	if in := p.Uplinks[1]; in.Location != "r2" || in.In < 2e6 {
		t.Errorf("got %+v", in)
	}
}

// report is one that stands for what a run has come to.
func report() scenario.Report {
	return scenario.Report{
		Nodes:  []scenario.NodeReport{{Node: "r1/2"}, {Node: "r2/1"}},
		Failed: []scenario.Failure{{Node: "r2/2", Reason: scenario.Killed}},
		Bound:  0.84, Last: 1.26, LastOverBound: 1.5, Median: 1.05, MedianOverBound: 1.25, SeedingRatio: 1.125,
		UplinkCopies: map[unit.Location]scenario.UpDown{"r1": {Up: 1.01, Down: 0.02}, "r2": {Up: 0.02, Down: 1.01}},
		LinkUse:      map[unit.Location]scenario.Peak{"r1": {Up: 0.5, Down: 0.01}, "r2": {Up: 0.03, Down: 1}},
		Notes:        []string{"something is not simulated"},
	}
}

func TestSimTable(t *testing.T) {
	s, err := scenario.Parse("two-racks.yaml", []byte(twoRacks))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	showReports(&out, s, 3, []scenario.Report{report(), report()})
	(&fleet{T: t}).golden("sim", out.String())
}

func TestPlanTable(t *testing.T) {
	s, err := scenario.Parse("two-racks.yaml", []byte(twoRacks))
	if err != nil {
		t.Fatal(err)
	}
	bound, err := s.Bound()
	if err != nil {
		t.Fatal(err)
	}
	if len(bound.Terms) <= tightest || bound.Terms[0].Cut != topo.Into {
		t.Errorf("terms are %v", bound.Terms)
	}
	var out strings.Builder
	newPlan(s, bound, report()).show(&out)
	(&fleet{T: t}).golden("plan", out.String())
}
