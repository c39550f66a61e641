package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// group is the reports of one system in one scenario.
type group struct {
	system  string
	reports []scenario.Report
}

// groups sorts reports of runs that were made by system, in the order of the
// systems' first runs.
func groups(reports []scenario.Report) []group {
	var all []group
	for _, rep := range reports {
		if rep.Missing != "" {
			continue
		}
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
	return scenario.Quantile(values, 0.5)
}

// column is one of the details.
type column struct {
	title, format string
	value         func(scenario.Report) float64
}

// middle is the run whose last finish is the median, the earlier of two.
func (g group) middle() scenario.Report {
	sorted := slices.SortedStableFunc(slices.Values(g.reports), func(a, b scenario.Report) int { return cmp.Compare(a.Last, b.Last) })
	return sorted[(len(sorted)-1)/2]
}

// details are what the summaries do not have.
var details = []column{
	{"START p50 ms", "%.1f", func(r scenario.Report) float64 { return r.StartLatency.P50 }},
	{"p99", "%.1f", func(r scenario.Report) float64 { return r.StartLatency.P99 }},
	{"within p50", "%.1f", func(r scenario.Report) float64 { return r.StartLatency.Within.P50 }},
	{"p99", "%.1f", func(r scenario.Report) float64 { return r.StartLatency.Within.P99 }},
	{"across p50", "%.1f", func(r scenario.Report) float64 { return r.StartLatency.Across.P50 }},
	{"p99", "%.1f", func(r scenario.Report) float64 { return r.StartLatency.Across.P99 }},
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
func printTables(w io.Writer, s *scenario.Scenario, reports []scenario.Report) error {
	summaries := scenario.Summarize(reports)
	fmt.Fprintf(w, "\n%s: %s to %d receivers; the bound is %.1f s\n\n", s.Name, s.Artifact.Size, len(s.Receivers), bound(summaries))
	if err := scenario.Table(w, summaries); err != nil {
		return err
	}
	all := groups(reports)
	if len(all) == 0 {
		return nil
	}
	printDetails(w, all)
	printCopies(w, s, all)
	printProbes(w, all)
	printFurther(w, s, all)
	return printSite(w, s, reports)
}

// printFurther shows what else was distributed, in the first run of each system.
func printFurther(w io.Writer, s *scenario.Scenario, all []group) {
	for _, g := range all {
		for _, t := range g.reports[0].Transfers {
			fmt.Fprintf(w, "\n%s: %s of priority %s, after %.0f s: %d of %d receivers complete, half after %.1f s more, the last after %.1f s\n",
				g.system, unit.Bytes(t.Size), t.Priority, t.At, t.Complete, len(s.Receivers), t.Median, t.Last)
		}
	}
}

// printSite shows what others noticed, if there were any.
func printSite(w io.Writer, s *scenario.Scenario, reports []scenario.Report) error {
	sites, err := s.Site(reports)
	if err != nil || len(sites) == 0 {
		return err
	}
	fmt.Fprintf(w, "\nWhat others noticed, beside %s:\n\n", scenario.Baseline)
	return scenario.SiteTable(w, sites)
}

// bound is what the reports say, 0 if no run was made.
func bound(summaries []scenario.Summary) float64 {
	most := 0.
	for _, s := range summaries {
		most = max(most, s.Bound)
	}
	return most
}

// printDetails shows what agents and processes tell.
func printDetails(w io.Writer, all []group) {
	fmt.Fprint(w, "\nLatency of START, memory, overlay:\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "system\t")
	for _, c := range details {
		fmt.Fprint(t, c.title, "\t")
	}
	fmt.Fprintln(t)
	for _, g := range all {
		fmt.Fprint(t, g.system, "\t")
		for _, c := range details {
			if value := g.median(c.value); value > 0 {
				fmt.Fprintf(t, c.format+"\t", value)
			} else {
				fmt.Fprint(t, "–\t") // it has no such thing
			}
		}
		fmt.Fprintln(t)
	}
	t.Flush()
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
