package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 3}, 2.5}, {[]float64{5, 5, 1, 9, 5}, 5},
	} {
		before := slices.Clone(c.values)
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
		if !slices.Equal(before, c.values) {
			t.Errorf("the values %v were changed to %v", before, c.values)
		}
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for _, c := range []struct {
		sorted  []float64
		q, want float64
	}{
		{nil, 0.5, 0}, {[]float64{7}, 0.99, 7}, {hundred, 0, 1}, {hundred, 0.5, 51}, {hundred, 0.99, 100}, {hundred, 1, 100},
	} {
		if got := quantile(c.sorted, c.q); got != c.want {
			t.Errorf("quantile %v of %d values is %v, want %v", c.q, len(c.sorted), got, c.want)
		}
	}
}

func TestSummaryIsOfMedians(t *testing.T) {
	of := func(seconds, cpu float64, rss int64) sample {
		return sample{Seconds: seconds, Bytes: 2 * gib, Files: 10, CPU: cpu, RSS: rss << 20, Inside: seconds / 2}
	}
	got := summarize("one-to-one", "raw", []sample{of(1, 4, 30), of(4, 2, 20), of(2, 3, 100)})
	want := result{Case: "one-to-one", System: "raw", GiBPerS: 1, CPUSPerGiB: 1.5, RSSMiB: 30, FilesPerS: 5,
		Runs: []float64{2, 0.5, 1}, Min: 0.5, Max: 2, InsideGiBPerS: 2}
	if !slices.Equal(got.Runs, want.Runs) {
		t.Errorf("runs are %v, want %v", got.Runs, want.Runs)
	}
	got.Runs, want.Runs = nil, nil
	if text(t, got) != text(t, want) {
		t.Errorf("the summary is %s, want %s", text(t, got), text(t, want))
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The keys that others read are there, zero or not.
func TestReportKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	rep := &report{Cases: []result{{Case: "one-to-one", System: "aria2", Error: "it ended"}}}
	if err := rep.write(path); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Machine map[string]any
		Cases   []map[string]any
	}
	if err := json.Unmarshal(raw, &read); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"case", "system", "gib_per_s", "cpu_s_per_gib", "rss_mib", "files_per_s", "start_p50_ms", "start_p99_ms", "error"} {
		if _, ok := read.Cases[0][key]; !ok {
			t.Errorf("there is no %s in %s", key, raw)
		}
	}
	if read.Machine == nil {
		t.Errorf("there is no machine in %s", raw)
	}
	if err := rep.failed(); err == nil || !strings.Contains(err.Error(), "one-to-one/aria2") {
		t.Errorf("the report of a failure is %v", err)
	}
}

func TestResultsJoinTracedRounds(t *testing.T) {
	one := &kase{name: "one-to-six"}
	plain, lost := sample{Seconds: 1, Bytes: gib}, errors.New("lost")
	b := &bench{series: []*series{
		{kase: one, system: system{name: "rackswarm"}, samples: []sample{plain, plain}},
		{kase: one, system: system{name: "aria2"}, err: lost},
		{kase: one, system: system{name: "rackswarm", traced: true}, samples: []sample{{StartP50: 1, StartP99: 5}, {StartP50: 3, StartP99: 7}}},
	}}
	got := b.results()
	if len(got) != 2 {
		t.Fatalf("%d results, want 2: %v", len(got), got)
	}
	if r := got[0]; r.GiBPerS != 1 || r.StartP50 != 2 || r.StartP99 != 6 {
		t.Errorf("rackswarm has %+v", r)
	}
	if r := got[1]; r.GiBPerS != 0 || r.Error != "lost" {
		t.Errorf("aria2 has %+v", r)
	}
}

func TestReach(t *testing.T) {
	rep := &report{Cases: []result{
		{Case: "one-to-one", System: "rackswarm", GiBPerS: 1.6, CPUSPerGiB: 1.5, RSSMiB: 100},
		{Case: "one-to-one", System: "anacrolix", GiBPerS: 0.8, CPUSPerGiB: 3},
		{Case: "one-to-one", System: "rtorrent", GiBPerS: 1.0, CPUSPerGiB: 2.5},
		{Case: "one-to-one", System: "raw", GiBPerS: 2},
		{Case: "tree-100k", System: "rackswarm", GiBPerS: 0.64, RSSMiB: 260},
		{Case: "tree-100k", System: "rsync", GiBPerS: 0.32},
		{Case: "idle", System: "rackswarm", RSSMiB: 30},
		{Case: "neighbour", System: "rackswarm", Share: 0.5, ShareBefore: 1},
	}}
	want := map[string]string{
		"one-to-one: rackswarm ÷ anacrolix":             "2.00 ≥ 1.6 yes",
		"one-to-one: rackswarm ÷ the fastest, rtorrent": "1.60 ≥ 1.5 yes",
		"one-to-one: CPU per GiB, rackswarm ÷ rtorrent": "0.60 ≤ 0.8 yes",
		"one-to-one: rackswarm ÷ raw":                   "0.80 ≥ 0.9 no",
		"tree-100k: rackswarm ÷ the big file":           "0.40 ≥ 0.5 no",
		"tree-100k: rackswarm ÷ rsync":                  "2.00 ≥ 3 no",
		"one-to-one: memory of rackswarm":               "104.86 MB < 150 MB yes",
		"tree-100k: memory of rackswarm":                "272.63 MB < 250 MB no",
		"idle: memory of rackswarm":                     "31.46 MB < 40 MB yes",
		"neighbour: share that stays in memory":         "0.50 ≥ 0.95 no",
	}
	for _, row := range rep.reach()[1:] {
		if got := strings.Join(row[1:], " "); got != want[row[0]] {
			t.Errorf("%s: %s, want %q", row[0], got, want[row[0]])
		}
		delete(want, row[0])
	}
	for name := range want {
		t.Errorf("there is no row %q", name)
	}
}

func TestTable(t *testing.T) {
	tab := table{{"case", "system", "GiB/s"}, {"tree-go", "raw", "1.25"}, {"x", "anacrolix", "-"}}
	wantText := "case     system     GiB/s\ntree-go  raw         1.25\nx        anacrolix      -\n"
	if got := tab.text(); got != wantText {
		t.Errorf("as text:\n%swant:\n%s", got, wantText)
	}
	wantMarkdown := "| case | system | GiB/s |\n|---|---|---|\n| tree-go | raw | 1.25 |\n| x | anacrolix | - |\n"
	if got := tab.markdown(); got != wantMarkdown {
		t.Errorf("as Markdown:\n%swant:\n%s", got, wantMarkdown)
	}
}
