package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is rows of cells, the first one the head.
type table [][]string

// text aligns the columns: the first two to the left, figures to the right.
func (t table) text() string {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < 2 {
				line.WriteString(cell + pad + "  ")
			} else {
				line.WriteString(pad + cell + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// markdown is the table as Markdown.
func (t table) markdown() string {
	var b strings.Builder
	for i, row := range t {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}

// figures is the table of all results.
func (r *report) figures() table {
	t := table{{"case", "system", "GiB/s", "min to max", "CPU s/GiB", "RSS MiB", "files/s", "START p50, p99 ms"}}
	for _, c := range r.Cases {
		row := []string{c.Case, c.System, dash(c.GiBPerS, "%.2f"), "-", dash(c.CPUSPerGiB, "%.2f"), dash(c.RSSMiB, "%.0f"), "-", "-"}
		if c.Min > 0 {
			row[3] = fmt.Sprintf("%.2f to %.2f", c.Min, c.Max)
		}
		if strings.HasPrefix(c.Case, "tree") {
			row[6] = dash(c.FilesPerS, "%.0f")
		}
		if c.StartP99 > 0 {
			row[7] = fmt.Sprintf("%.2f, %.1f", c.StartP50, c.StartP99)
		}
		t = append(t, row)
	}
	return t
}

func dash(value float64, format string) string {
	if value == 0 {
		return "-"
	}
	return fmt.Sprintf(format, value)
}

// notes are what the table has no column for.
func (r *report) notes() []string {
	var all []string
	for _, c := range r.Cases {
		name := c.Case + ", " + c.System + ": "
		if c.Error != "" {
			all = append(all, name+"failed: "+strings.ReplaceAll(c.Error, "\n", "; "))
		}
		if c.Left != "" {
			all = append(all, name+"left out: "+c.Left)
		}
		if c.CPUPercent > 0 {
			all = append(all, fmt.Sprintf("%s%.2f%% of a core", name, c.CPUPercent))
		}
		if c.ShareBefore > 0 {
			all = append(all, fmt.Sprintf("%s%.1f%% of the file in memory before, %.1f%% after", name, 100*c.ShareBefore, 100*c.Share))
		}
	}
	return all
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores of %s, %d MiB of memory, Linux %s, load %s before the run; content on %s, the disk's cases on %s", m.Cores, m.CPU, m.Memory, m.Kernel, m.Load,
		m.Content, m.Disk)
}

// text is what is shown at the end.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n%s, %.0f s\n\n%s\n", r.Machine, r.rounds(), r.Seconds, r.figures().text())
	for _, n := range r.notes() {
		b.WriteString(n + "\n")
	}
	if reach := r.reach(); len(reach) > 1 {
		b.WriteString("\n" + reach.text())
	}
	return b.String()
}

// markdown is the same for a document.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. %s, %.0f s.\n\n%s\n", r.Machine, r.rounds(), r.Seconds, r.figures().markdown())
	for _, n := range r.notes() {
		b.WriteString("- " + n + "\n")
	}
	if reach := r.reach(); len(reach) > 1 {
		b.WriteString("\n" + reach.markdown())
	}
	return b.String()
}

func (r *report) rounds() string {
	if r.Quick {
		return "One repetition of small sizes"
	}
	return fmt.Sprintf("Medians of %d", r.Repeat)
}
