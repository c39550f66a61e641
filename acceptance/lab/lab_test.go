package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/acceptance/lab/busy"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/snmp"
	"github.com/rackswarm/rackswarm/acceptance/lab/system/rivals"
	"github.com/rackswarm/rackswarm/core/scenario"
)

func TestMain(m *testing.M) {
	rivals.RunProgram()
	busy.RunProgram()
	fleet.Main(m)
}

// experimentOf runs the lab on a scenario, and fails the test if it leaves
// anything behind. It returns where the reports are, and what was printed.
func experimentOf(ctx context.Context, t *testing.T, text string, args ...string) (out, printed string, err error) {
	t.Helper()
	if err := network.Unsupported(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	temporary := filepath.Join(dir, "t")
	out = filepath.Join(dir, "out")
	file := filepath.Join(dir, "small.yaml")
	if err := os.Mkdir(temporary, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temporary)
	o, err := parseOptions(append(args, "-out", out, file))
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var stdout bytes.Buffer
	err = experiment(ctx, o, &stdout, newProgress(log))
	if text, _ := os.ReadFile(log.Name()); t.Failed() || err != nil {
		t.Logf("%s", text)
	}
	checkNothingIsLeft(t, temporary)
	return out, stdout.String(), err
}

func checkNothingIsLeft(t *testing.T, temporary string) {
	t.Helper()
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if text, err := os.ReadFile(c); err == nil && bytes.Contains(text, []byte(temporary)) {
			t.Errorf("a program is left: %q", text)
		}
	}
}

// programs is a directory with rackswarm.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(fleet.Binary(t, "agent"), filepath.Join(dir, "rackswarm")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func readReport(t *testing.T, file string) scenario.Report {
	t.Helper()
	var rep scenario.Report
	readJSON(t, file, &rep)
	return rep
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

const small = `
artifact: {size: 8MB, seed: 3}
locations:
  r1: {uplink: 100Mbit, hosts: 2}
  r2: {uplink: 100Mbit, hosts: 3}
host: {up: 100Mbit, down: 100Mbit}
deadline: 2m
`

// Our own agents and a rival distribute an artifact, and the reports say what can
// be so only.
func TestLab(t *testing.T) {
	out, printed, err := experimentOf(t.Context(), t, small, "-systems", "rackswarm,chain", "-parallel", "2", "-bin", programs(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rackswarm", "chain"} {
		rep := readReport(t, filepath.Join(out, "small."+name+".1.json"))
		checkReport(t, rep)
		if !strings.Contains(printed, name) {
			t.Errorf("%s is not in the table:\n%s", name, printed)
		}
	}
	var summaries []scenario.Summary
	readJSON(t, filepath.Join(out, "summary.json"), &summaries)
	if len(summaries) != 2 || summaries[0].System != "rackswarm" || summaries[1].Failed != 0 {
		t.Errorf("the summaries are %+v", summaries)
	}
	if svg, err := os.ReadFile(filepath.Join(out, "plot.svg")); err != nil || !bytes.Contains(svg, []byte("</svg>")) {
		t.Errorf("the plot is %q, %v", svg, err)
	}
	ours := readReport(t, filepath.Join(out, "small.rackswarm.1.json"))
	if ours.Overlay.StoreOps == 0 || ours.Overlay.Representatives["r2"] < 1 || ours.StartLatency.P50 <= 0 ||
		ours.StartLatency.Within.Count == 0 || ours.StartLatency.Across.Count == 0 {
		t.Errorf("traces and store tell %+v and START %+v", ours.Overlay, ours.StartLatency)
	}
}

func checkReport(t *testing.T, rep scenario.Report) {
	t.Helper()
	if len(rep.Nodes) != 4 || len(rep.Failed) > 0 {
		t.Fatalf("%s: %d nodes are complete, failed: %v; notes: %q", rep.System, len(rep.Nodes), rep.Failed, rep.Notes)
	}
	for _, n := range rep.Nodes {
		// The initial seeder's fellow gets its copy over that host's link.
		if !n.SHA256 || n.Finish <= 0 || n.Received < 8e6 || n.CPU <= 0 || n.MaxRSS <= 0 {
			t.Errorf("%s: %+v", rep.System, n)
		}
	}
	if rep.Last < 0.95*rep.Bound || rep.Last < rep.Median {
		t.Errorf("%s: the last was complete after %.3f s, half after %.3f s; the bound is %.3f s", rep.System, rep.Last, rep.Median, rep.Bound)
	}
	// Each rack but the first needs a copy, and more than one for each host is
	// more than anybody would fetch.
	if down := rep.UplinkCopies["r2"].Down; down < 0.98 || down > 4 {
		t.Errorf("%s: %.3f copies entered r2", rep.System, down)
	}
	if rep.SeedingRatio < 0.98 || rep.SeedingRatio > 5 {
		t.Errorf("%s: the initial seeder sent %.3f copies", rep.System, rep.SeedingRatio)
	}
	if n := len(rep.Complete); rep.Complete[n-1][1] != 4 {
		t.Errorf("%s: %v are complete over time", rep.System, rep.Complete)
	}
}

// A receiver that is killed for good is no failure; one that comes back finishes.
func TestLabWithFaults(t *testing.T) {
	const faults = `faults:
  - {at: 0s, kill: r2/1}
  - {at: 0s, kill: r2/2}
  - {at: 1s, start: r2/2}
`
	out, _, err := experimentOf(t.Context(), t, small+faults, "-bin", programs(t))
	if err != nil {
		t.Fatal(err)
	}
	rep := readReport(t, filepath.Join(out, "small.rackswarm.1.json"))
	if len(rep.Nodes) != 3 || len(rep.Failed) != 1 || rep.Failed[0] != (scenario.Failure{Node: "r2/1", Reason: scenario.Killed}) {
		t.Errorf("%d nodes are complete, failed: %v; notes: %q", len(rep.Nodes), rep.Failed, rep.Notes)
	}
}

// What is distributed besides arrives, too, and what others notice is in the table,
// the report and the plots.
func TestLabWithOthers(t *testing.T) {
	if err := snmp.Unsupported(); err != nil {
		t.Skip(err)
	}
	const others = `bandwidth: {snmp: true}
background: [{from: r1/1, to: r2/1, rate: 1Mbit, proto: udp}]
probes: [{from: r1/2, to: r2/2}]
faults:
  - {at: 0s, distribute: 1MB, priority: urgent}
  - {at: 100ms, link: r2, rate: 90Mbit}
`
	out, printed, err := experimentOf(t.Context(), t, small+others, "-bin", programs(t)) // none is added
	if err != nil {
		t.Fatal(err)
	}
	rep := readReport(t, filepath.Join(out, "small.rackswarm.1.json"))
	if len(rep.Transfers) != 1 || rep.Transfers[0].Complete != 4 || rep.Transfers[0].Last <= 0 {
		t.Errorf("the further transfers are %+v; notes: %q", rep.Transfers, rep.Notes)
	}
	down := rep.Links["r2"].Down
	if len(down.Use) == 0 || len(down.Capacity) != 2 || rep.Devices["r2"].Mean == 0 || rep.IdleCPU.Most == 0 {
		t.Errorf("the link is %+v, its switch was asked %+v, an idle agent used %+v", down, rep.Devices["r2"], rep.IdleCPU)
	}
	if base := readReport(t, filepath.Join(out, "small.none.1.json")); len(base.Probes) != 1 || base.Probes[0].RunP99 == 0 {
		t.Errorf("the probes of the baseline are %+v", base.Probes)
	}
	if !strings.Contains(printed, "What others noticed") || !strings.Contains(printed, "target") || !strings.Contains(printed, "of priority urgent") {
		t.Errorf("printed is:\n%s", printed)
	}
	if svg, err := os.ReadFile(filepath.Join(out, "small.rackswarm.links.svg")); err != nil || !bytes.Contains(svg, []byte("into r2")) {
		t.Errorf("the plot of links is %q, %v", svg, err)
	}
}

// Whoever interrupts the lab gets what was seen until then.
func TestLabInterrupted(t *testing.T) {
	endless := strings.Replace(small, "100Mbit, hosts: 3", "100kbit, hosts: 3", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	out, _, err := experimentOf(ctx, t, endless, "-systems", "none,chain,http", "-parallel", "2")
	if err == nil {
		t.Error("it says that all went well")
	}
	rep := readReport(t, filepath.Join(out, "small.none.1.json"))
	if len(rep.Notes) == 0 || len(rep.Nodes) > 0 {
		t.Errorf("the report is %+v", rep)
	}
	if _, err := os.Stat(filepath.Join(out, "small.http.1.json")); !os.IsNotExist(err) {
		t.Errorf("a run that did not begin has a report: %v", err)
	}
}

// A system that is not installed is in the report and the table.
func TestLabWithoutPrograms(t *testing.T) {
	out, printed, err := experimentOf(t.Context(), t, small, "-bin", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rep := readReport(t, filepath.Join(out, "small.rackswarm.1.json"))
	if !strings.Contains(rep.Missing, "not installed") || !strings.Contains(printed, "missing") {
		t.Errorf("the report says %q, and the table:\n%s", rep.Missing, printed)
	}
}

func TestOptions(t *testing.T) {
	for args, want := range map[string]string{
		"":                               "no scenario",
		"-systems magic x.yaml":          `no system "magic"`,
		"-reps 0 x.yaml":                 "1 at least",
		"-parallel 0 x.yaml":             "1 at least",
		"-strategy {fast:true} x.yaml":   "-strategy",
		"-systems rackswarm,http x.yaml": "",
	} {
		_, err := parseOptions(strings.Fields(args))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", args, err, want)
		}
	}
}

// A change of the strategy leaves alone what it does not name.
func TestStrategyIsChanged(t *testing.T) {
	o, err := parseOptions([]string{"-strategy", "{division: false, picker: rarest}", "x.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	s := scenario.Strategy{Overlay: true, Division: true, Picker: scenario.Stealing}
	o.strategy.apply(&s)
	if want := (scenario.Strategy{Overlay: true, Picker: scenario.Rarest}); s != want {
		t.Errorf("the strategy is %+v, want %+v", s, want)
	}
}
