package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rackswarm/rackswarm/core/scenario"
)

// group is the reports of one system in one scenario.
type group struct {
	system  string
	reports []scenario.Report
}

// groups sorts reports by system, in the order of the systems' first runs.
func groups(reports []scenario.Report) []group {
	var all []group
	for _, rep := range reports {
		i := slices.IndexFunc(all, func(g group) bool { return g.system == rep.System })
		if i < 0 {
			i, all = len(all), append(all, group{system: rep.System})
		}
		all[i].reports = append(all[i].reports, rep)
	}
	return all
}

// median of a figure of the group's runs.
func (g group) median(of func(scenario.Report) float64) float64 {
	values := make([]float64, len(g.reports))
	for i, rep := range g.reports {
		values[i] = of(rep)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// failures counts receivers that failed in any run otherwise than by being
// killed.
func (g group) failures() int {
	n := 0
	for _, rep := range g.reports {
		for _, f := range rep.Failed {
			if f.Reason != scenario.Killed {
				n++
			}
		}
	}
	return n
}

// column is one of the comparison.
type column struct {
	title, format string
	value         func(scenario.Report) float64
}

var columns = []column{
	{"last s", "%.1f", func(r scenario.Report) float64 { return r.Last }},
	{"/bound", "%.3f", func(r scenario.Report) float64 { return r.LastOverBound }},
	{"median s", "%.1f", func(r scenario.Report) float64 { return r.Median }},
	{"/bound", "%.3f", func(r scenario.Report) float64 { return r.MedianOverBound }},
	{"spread", "%.3f", func(r scenario.Report) float64 { return r.Spread }},
	{"seeding", "%.2f", func(r scenario.Report) float64 { return r.SeedingRatio }},
	{"START p50 ms", "%.1f", func(r scenario.Report) float64 { return r.StartLatency.P50 }},
	{"p99", "%.1f", func(r scenario.Report) float64 { return r.StartLatency.P99 }},
	{"CPU s/GiB", "%.1f", func(r scenario.Report) float64 { return r.CPUPerGiB }},
	{"RSS MiB", "%.0f", largestRSS},
	{"store ops", "%.0f", func(r scenario.Report) float64 { return float64(r.Overlay.StoreOps) }},
	{"built s", "%.1f", func(r scenario.Report) float64 { return r.Overlay.Built }},
}

// largestRSS is the most memory that a receiver's programs used.
func largestRSS(r scenario.Report) float64 {
	most := 0.
	for _, n := range r.Nodes {
		most = max(most, n.MaxRSS)
	}
	return most
}

// printTables compares the systems of one scenario. Figures of several runs are
// medians.
func printTables(w io.Writer, s *scenario.Scenario, reports []scenario.Report) {
	all := groups(reports)
	fmt.Fprintf(w, "\n%s: %s to %d receivers; the bound is %.1f s\n\n", s.Name, s.Artifact.Size, len(s.Receivers), bound(reports))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "system\truns\tfailed\t")
	for _, c := range columns {
		fmt.Fprint(t, c.title, "\t")
	}
	fmt.Fprintln(t)
	for _, g := range all {
		g.row(t)
	}
	t.Flush()
	printCopies(w, s, all)
	printProbes(w, all)
}

// row writes the comparison's line of a system.
func (g group) row(t io.Writer) {
	fmt.Fprintf(t, "%s\t%d\t", g.system, len(g.reports))
	if g.reports[0].Missing != "" {
		fmt.Fprintln(t, "missing\t")
		return
	}
	fmt.Fprintf(t, "%d\t", g.failures())
	for _, c := range columns {
		fmt.Fprintf(t, c.format+"\t", g.median(c.value))
	}
	fmt.Fprintln(t)
}

// bound is what the runs' reports say, 0 if none was made.
func bound(reports []scenario.Report) float64 {
	most := 0.
	for _, rep := range reports {
		most = max(most, rep.Bound)
	}
	return most
}

// printCopies shows what crossed the uplinks.
func printCopies(w io.Writer, s *scenario.Scenario, all []group) {
	fmt.Fprint(w, "\nCopies over the uplinks, down/up:\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "system\t")
	for _, l := range s.Locations {
		fmt.Fprint(t, l.Location, "\t")
	}
	fmt.Fprintln(t)
	for _, g := range all {
		if len(g.reports[0].UplinkCopies) == 0 {
			continue
		}
		fmt.Fprint(t, g.system, "\t")
		for _, l := range s.Locations {
			down := g.median(func(r scenario.Report) float64 { return r.UplinkCopies[l.Location].Down })
			up := g.median(func(r scenario.Report) float64 { return r.UplinkCopies[l.Location].Up })
			fmt.Fprintf(t, "%.2f/%.2f\t", down, up)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

// printProbes shows what probes and background traffic saw, in the first run of
// each system.
func printProbes(w io.Writer, all []group) {
	var lines []string
	for _, g := range all {
		for _, p := range g.reports[0].Probes {
			lines = append(lines, fmt.Sprintf("%s: %s to %s took %.1f ms (p99 %.1f) before and %.1f ms (p99 %.1f) during the run, %d lost",
				g.system, p.From, p.To, p.IdleP50, p.IdleP99, p.RunP50, p.RunP99, p.Lost))
		}
		for _, f := range g.reports[0].Background {
			lines = append(lines, fmt.Sprintf("%s: traffic from %s to %s got %.2f of %.2f Mbit/s", g.system, f.From, f.To, f.Got/1e6, f.Asked/1e6))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(w, "\n%s\n", strings.Join(lines, "\n"))
	}
}
