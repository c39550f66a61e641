package scenario

import (
	"errors"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
)

func repetitions() []Report {
	ours := func(last, copies float64) Report {
		return Report{Scenario: "f8", System: "ours", Bound: 100, Last: last, LastOverBound: last / 100, MedianOverBound: 1, SeedingRatio: 1.1, Spread: 0.01,
			UplinkCopies: map[unit.Location]UpDown{"a": {Up: copies}, "b": {Down: 1}},
			Nodes:        []NodeReport{{Received: 90, Duplicate: 1}, {Received: 110, Duplicate: 1}},
			Failed:       []Failure{{"a/1", Killed}, {"a/2", "late"}}}
	}
	return []Report{ours(105, 1.04), {Scenario: "f8", System: "aria2", Missing: "aria2c is not installed"}, ours(103, 1.02), ours(110, 1.1)}
}

func TestSummarize(t *testing.T) {
	all := Summarize(repetitions())
	if len(all) != 2 || all[1] != (Summary{Scenario: "f8", System: "aria2", Missing: "aria2c is not installed"}) {
		t.Fatalf("summaries %+v", all)
	}
	s := all[0]
	if s.Repetitions != 3 || s.Delivered != 3 || s.Failed != 3 || s.Last != (Range{105, 103, 110}) || s.LastOverBound != (Range{1.05, 1.03, 1.1}) || s.Copies != (Range{1.04, 1.02, 1.1}) || s.Duplicates != (Range{0.01, 0.01, 0.01}) {
		t.Errorf("summary %+v", s)
	}
}

// A repetition that delivered nothing was not the fastest.
func TestNothingDeliveredIsNoFigure(t *testing.T) {
	lost := Report{Scenario: "f8", System: "ours", Failed: []Failure{{"a/1", "late"}, {"a/2", "late"}}}
	s := Summarize(append([]Report{lost}, repetitions()...))[0]
	if s.Repetitions != 4 || s.Delivered != 3 || s.Failed != 5 || s.Bound != 100 || s.Last != (Range{105, 103, 110}) {
		t.Errorf("summary %+v", s)
	}
	var text strings.Builder
	if err := Table(&text, Summarize([]Report{lost})); err != nil || !strings.HasSuffix(text.String(), "|          – |         – |      2 |\n") {
		t.Errorf("table %s, %v", text.String(), err)
	}
}

func TestTable(t *testing.T) {
	var text strings.Builder
	if err := Table(&text, Summarize(repetitions())); err != nil {
		t.Fatal(err)
	}
	want := `
| system |     last ÷ bound | median ÷ bound | copies per uplink | seeding ratio | spread |              last s | duplicates | CPU s/GiB | failed |
|--------|-----------------:|---------------:|------------------:|--------------:|-------:|--------------------:|-----------:|----------:|-------:|
| ours   | 1.05 (1.03–1.10) |           1.00 |  1.04 (1.02–1.10) |          1.10 |  0.010 | 105.0 (103.0–110.0) |      1.0 % |       0.0 |      3 |
| aria2  |                – |              – |                 – |             – |      – |                   – |          – |         – |      – |

aria2 is missing: aria2c is not installed
`
	if got := "\n" + text.String(); got != want {
		t.Errorf("table is%swant%s", got, want)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestTableSaysWhyItCannotBeWritten(t *testing.T) {
	if err := Table(broken{}, nil); err == nil || !strings.Contains(err.Error(), "write table: full") {
		t.Errorf("error %v", err)
	}
}
