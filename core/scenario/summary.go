package scenario

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Summary is what several repetitions of a scenario under one system came to.
type Summary struct {
	Scenario    string `json:"scenario"`
	System      string `json:"system"`
	Repetitions int    `json:"repetitions"`
	// Missing says why the system was not run; the rest is empty then.
	Missing string  `json:"missing,omitempty"`
	Bound   float64 `json:"bound_s"`
	// Delivered is the number of repetitions in which a receiver finished at all.
	// Without one there is nothing to measure: the figures are of these alone.
	Delivered int `json:"delivered"`

	Last            Range `json:"last_s"`
	Median          Range `json:"median_s"`
	LastOverBound   Range `json:"last_over_bound"`
	MedianOverBound Range `json:"median_over_bound"`
	// Copies are those over the uplink and direction with the most.
	Copies       Range `json:"uplink_copies_worst"`
	SeedingRatio Range `json:"seeding_ratio"`
	Spread       Range `json:"spread"`
	// Duplicates are the bytes that receivers threw away ÷ those they received.
	Duplicates Range `json:"duplicates"`
	CPUPerGiB  Range `json:"cpu_s_per_gib"`
	// Failed is the number of receivers that failed, of all repetitions, without
	// those that the scenario kills for good.
	Failed int `json:"failed"`
}

// Range is the median of several repetitions, with the least and the most.
type Range struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Summarize makes one summary for each scenario and system, in the order in which
// they first come.
func Summarize(reports []Report) []Summary {
	summaries := []Summary{}
	for len(reports) > 0 {
		first := reports[0]
		var same, others []Report
		for _, r := range reports {
			if r.Scenario == first.Scenario && r.System == first.System {
				same = append(same, r)
			} else {
				others = append(others, r)
			}
		}
		summaries = append(summaries, summarize(same))
		reports = others
	}
	return summaries
}

// summarize sums up the reports of one scenario and system; those of repetitions
// that could not be run count only if none could.
func summarize(all []Report) Summary {
	s := Summary{Scenario: all[0].Scenario, System: all[0].System}
	reports := slices.DeleteFunc(slices.Clone(all), func(r Report) bool { return r.Missing != "" })
	if len(reports) == 0 {
		s.Missing = all[0].Missing
		return s
	}
	delivered := slices.DeleteFunc(slices.Clone(reports), func(r Report) bool { return len(r.Nodes) == 0 })
	over := func(figure func(Report) float64) Range { return rangeOf(delivered, figure) }
	s.Repetitions, s.Delivered = len(reports), len(delivered)
	for _, r := range reports {
		s.Bound = max(s.Bound, r.Bound) // 0 in a run that failed
		s.Failed += r.Unexpected()
	}
	s.Last = over(func(r Report) float64 { return r.Last })
	s.Median = over(func(r Report) float64 { return r.Median })
	s.LastOverBound = over(func(r Report) float64 { return r.LastOverBound })
	s.MedianOverBound = over(func(r Report) float64 { return r.MedianOverBound })
	s.Copies = over(Report.worstCopies)
	s.SeedingRatio = over(func(r Report) float64 { return r.SeedingRatio })
	s.Spread = over(func(r Report) float64 { return r.Spread })
	s.Duplicates = over(Report.duplicates)
	s.CPUPerGiB = over(func(r Report) float64 { return r.CPUPerGiB })
	return s
}

// rangeOf is the range of a figure, zero of no reports.
func rangeOf(reports []Report, figure func(Report) float64) Range {
	if len(reports) == 0 {
		return Range{}
	}
	values := make([]float64, len(reports))
	for i, r := range reports {
		values[i] = figure(r)
	}
	slices.Sort(values)
	return Range{Median: Quantile(values, 0.5), Min: values[0], Max: values[len(values)-1]}
}

func (r Report) worstCopies() float64 {
	worst := 0.
	for _, c := range r.UplinkCopies {
		worst = max(worst, c.Down, c.Up)
	}
	return worst
}

func (r Report) duplicates() float64 {
	var received, duplicate float64
	for _, n := range r.Nodes {
		received += float64(n.Received)
		duplicate += float64(n.Duplicate)
	}
	return ratio(duplicate, received)
}

// Unexpected is how many receivers failed that the scenario does not kill for good.
func (r Report) Unexpected() int {
	n := 0
	for _, f := range r.Failed {
		if f.Reason != Killed {
			n++
		}
	}
	return n
}

// columns of a table: a title and what stands below it for a summary. All but the
// outer two are measured.
var columns = []struct {
	title string
	cell  func(s Summary) string
}{
	{"system", func(s Summary) string { return s.System }},
	{"last ÷ bound", func(s Summary) string { return s.LastOverBound.cell(2) }},
	{"median ÷ bound", func(s Summary) string { return s.MedianOverBound.cell(2) }},
	{"copies per uplink", func(s Summary) string { return s.Copies.cell(2) }},
	{"seeding ratio", func(s Summary) string { return s.SeedingRatio.cell(2) }},
	{"spread", func(s Summary) string { return s.Spread.cell(3) }},
	{"last s", func(s Summary) string { return s.Last.cell(1) }},
	{"duplicates", func(s Summary) string { return s.Duplicates.scaled(100).cell(1) + " %" }},
	{"CPU s/GiB", func(s Summary) string { return s.CPUPerGiB.cell(1) }},
	{"failed", func(s Summary) string { return fmt.Sprint(s.Failed) }},
}

// Table writes summaries as a table in Markdown whose columns line up: a line for
// each system, with the median of its repetitions and, if there are several, the
// least and the most. A system that was not run has a line that says why; one that
// delivered nothing has no figures.
func Table(w io.Writer, summaries []Summary) error {
	rows := [][]string{make([]string, len(columns))}
	for i, c := range columns {
		rows[0][i] = c.title
	}
	for _, s := range summaries {
		rows = append(rows, s.row())
	}
	var text strings.Builder
	if err := writeTable(&text, rows); err != nil {
		return err
	}
	for _, s := range summaries {
		if s.Missing != "" {
			fmt.Fprintf(&text, "\n%s is missing: %s\n", s.System, s.Missing)
		}
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// writeTable writes rows of cells as a table in Markdown whose columns line up, the
// first one below its title.
func writeTable(w io.Writer, rows [][]string) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var text strings.Builder
	for i, row := range rows {
		writeRow(&text, row, widths, " ")
		if i == 0 {
			writeRow(&text, make([]string, len(widths)), widths, "-")
		}
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func (s Summary) row() []string {
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = "–"
		failed := i == len(columns)-1 && s.Missing == ""
		if i == 0 || failed || s.Delivered > 0 {
			row[i] = c.cell(s)
		}
	}
	return row
}

// writeRow writes cells filled up to their widths: the first to the right, the
// figures to the left.
func writeRow(text *strings.Builder, row []string, widths []int, fill string) {
	text.WriteString("|")
	for i, cell := range row {
		padding := strings.Repeat(fill, widths[i]-len([]rune(cell)))
		if i == 0 {
			cell += padding
		} else {
			cell = padding + cell
		}
		right := fill
		if i > 0 && fill == "-" {
			right = ":"
		}
		text.WriteString(fill + cell + right + "|")
	}
	text.WriteString("\n")
}

// cell writes the median with some decimals, and the extremes if they read differently.
func (r Range) cell(decimals int) string {
	text := func(v float64) string { return fmt.Sprintf("%.*f", decimals, v) }
	if text(r.Min) == text(r.Max) {
		return text(r.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", text(r.Median), text(r.Min), text(r.Max))
}

func (r Range) scaled(by float64) Range { return Range{r.Median * by, r.Min * by, r.Max * by} }
