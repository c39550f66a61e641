package scenario

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// siteColumns are those of SiteTable.
var siteColumns = []struct {
	title, limit string // how the target's figure is a limit
	decimals     int
	of           func(Site) Range
}{
	{"probe p99 +ms", "≤ ", 1, func(s Site) Range { return s.Probe }},
	{"at steps +ms", "", 1, func(s Site) Range { return s.AtStep }},
	{"lost", "", 0, func(s Site) Range { return s.Lost }},
	{"page p99 ×", "≤ ", 2, func(s Site) Range { return s.Page }},
	{"TCP kept %", "≥ ", 1, func(s Site) Range { return s.TCP.scaled(100) }},
	{"UDP lost %", "", 2, func(s Site) Range { return s.UDP.scaled(100) }},
	{"makes room s", "≤ ", 2, func(s Site) Range { return s.Less }},
	{"takes room s", "≤ ", 2, func(s Site) Range { return s.More }},
	{"over limit s", "≤ ", 2, func(s Site) Range { return s.Over }},
	{"last ÷ bound", "≤ ", 2, func(s Site) Range { return s.LastOver }},
	{"idle CPU %", "≤ ", 1, func(s Site) Range { return s.IdleCPU }},
	{"queries/s", "≤ ", 1, func(s Site) Range { return s.Queries }},
}

// SiteTable writes what the site notices as a table in Markdown: a line for each
// system with medians, and least and most if they differ, and below the targets.
func SiteTable(w io.Writer, sites []Site) error {
	if len(sites) == 0 {
		return nil
	}
	rows := [][]string{{"system"}}
	for _, c := range siteColumns {
		rows[0] = append(rows[0], c.title)
	}
	goal := targets
	goal.Probe = sites[0].Allowed
	for i, s := range append(slices.Clone(sites), goal) {
		row := []string{s.System}
		for _, c := range siteColumns {
			cell := c.of(s).knownCell(c.decimals)
			if i == len(sites) && cell != "–" {
				cell = c.limit + cell
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	if err := writeTable(w, rows); err != nil {
		return err
	}
	for _, s := range sites {
		if s.Missed == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %d steps were not followed before the next one, or the end; they count with the time until then.\n", s.System, s.Missed); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	return nil
}

func (r Range) knownCell(decimals int) string {
	if math.IsNaN(r.Median) {
		return "–"
	}
	return r.cell(decimals)
}
