package scenario

import (
	"math"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
)

const noticed = `
name: site
artifact: {size: 10MB}
locations: {a: {hosts: 2}, b: {uplink: 10Mbit, hosts: 2}}
bandwidth: {reserve: 0.2}
background:
  - {from: a/1, to: b/1, rate: 4Mbit}
  - {from: a/1, to: b/1, rate: 1Mbit, proto: udp}
  - {from: a/1, to: b/1, rate: 9Mbit, start: 50s}
probes: [{from: a/1, to: b/2}, {from: a/2, to: b/2}, {from: a/2, to: b/1, proto: http}]
`

// siteReport is what a run of noticed came to: p99 of round trips away from steps
// and near them, that of pages, what TCP got, and what UDP lost.
func siteReport(system string, calm, step, page, tcp, udp float64) Report {
	return Report{
		Scenario: "site", System: system,
		Probes: []ProbeReport{
			{Proto: UDP, RunP99: 99, CalmP99: 1, StepP99: 1},
			{Proto: UDP, RunP99: 99, CalmP99: calm, StepP99: step, Lost: 1},
			{Proto: HTTP, RunP99: page, Lost: 1},
		},
		Background: []FlowReport{
			{Proto: TCP, Lasted: 30, Asked: 4e6, Got: tcp},
			{Proto: UDP, Lasted: 30, Asked: 1e6, Got: 1e6, Lost: udp},
			{Proto: TCP, Asked: 9e6}, // not begun
		},
		Links: map[unit.Location]LinkReport{"b": {Down: DirectionReport{Over: 0.5}}},
	}
}

func TestSite(t *testing.T) {
	s := mustParse(t, noticed)
	ours := siteReport("ours", 4, 31, 21, 3.9e6, 0.02)
	ours.LastOverBound, ours.IdleCPU.Most = 1.1, 2
	ours.Devices = map[unit.Location]Queries{"b": {Peak: 1}}
	ours.Steps = []StepReport{
		{Before: 8, After: 2, Followed: 0.5}, {Before: 2, After: 1, Followed: 1.25},
		{Before: 1, After: 8, Followed: 7, Missed: true},
	}
	sites, err := s.Site([]Report{siteReport(Baseline, 2, 3, 20, 4e6, 0.01), ours, siteReport(Baseline, 1, 1, 20, 4e6, 0), {System: "aria2", Missing: "it is not here"}})
	if err != nil || len(sites) != 2 {
		t.Fatalf("sites %+v, %v", sites, err)
	}
	got := sites[1]
	for _, c := range []struct {
		name string
		got  Range
		want float64
	}{
		{"probe", got.Probe, 2.5}, {"at steps", got.AtStep, 29}, {"allowed", got.Allowed, 12.112}, {"lost", got.Lost, 2},
		{"page", got.Page, 1.05}, {"tcp", got.TCP, 0.975}, {"udp", got.UDP, 0.01},
		{"makes room", got.Less, 1.25}, {"takes room", got.More, 7}, {"over", got.Over, 0.5},
		{"last", got.LastOver, 1.1}, {"idle", got.IdleCPU, 2}, {"queries", got.Queries, 1},
	} {
		if !near(c.got.Median, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got.Median, c.want)
		}
	}
	if got.Missed != 1 || sites[0].Probe.Max != 0.5 || !math.IsNaN(sites[0].Less.Median) {
		t.Errorf("%d steps were missed; the baseline is %+v", got.Missed, sites[0])
	}
}

func TestSiteTable(t *testing.T) {
	s := mustParse(t, noticed)
	ours := siteReport("ours", 4, 31, 21, 3.9e6, 0)
	ours.Steps = []StepReport{{Before: 8, After: 2, Followed: 0.5, Missed: true}}
	sites, err := s.Site([]Report{siteReport(Baseline, 2, 3, 20, 4e6, 0), ours})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := SiteTable(&text, sites); err != nil {
		t.Fatal(err)
	}
	want := `
| system | probe p99 +ms | at steps +ms | lost | page p99 × | TCP kept % | UDP lost % | makes room s | takes room s | over limit s | last ÷ bound | idle CPU % | queries/s |
|--------|--------------:|-------------:|-----:|-----------:|-----------:|-----------:|-------------:|-------------:|-------------:|-------------:|-----------:|----------:|
| none   |           0.0 |          0.0 |    2 |       1.00 |      100.0 |       0.00 |            – |            – |         0.50 |            – |          – |         – |
| ours   |           2.0 |         28.0 |    2 |       1.05 |       97.5 |       0.00 |         0.50 |            – |         0.50 |            – |          – |         – |
| target |        ≤ 12.1 |            – |    0 |     ≤ 1.10 |     ≥ 97.0 |       0.00 |       ≤ 1.50 |       ≤ 4.00 |       ≤ 1.00 |       ≤ 1.25 |      ≤ 3.0 |     ≤ 1.0 |

ours: 1 steps were not followed before the next one, or the end; they count with the time until then.
`
	if got := "\n" + text.String(); got != want {
		t.Errorf("the table is%swant%s", got, want)
	}
}

// Without a baseline there is nothing to compare with, and the rest stands.
func TestSiteWithoutBaseline(t *testing.T) {
	sites, err := mustParse(t, noticed).Site([]Report{siteReport("ours", 4, 31, 21, 3.9e6, 0)})
	if err != nil || len(sites) != 1 || !math.IsNaN(sites[0].Probe.Median) || !math.IsNaN(sites[0].TCP.Median) || sites[0].Over.Median != 0.5 {
		t.Errorf("sites %+v, %v", sites, err)
	}
	if sites, err := mustParse(t, twoRacks).Site(nil); err != nil || sites != nil {
		t.Errorf("without probes and background: %+v, %v", sites, err)
	}
}
