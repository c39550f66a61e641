package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// writeStatus describes one distribution: what is wanted, how it went, and
// where each node is.
func writeStatus(w io.Writer, st api.Status) {
	writeSummary(w, st)
	if len(st.Nodes) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows := [][]string{{"NODE", "LOCATION", "PHASE", "DONE", "SIZE", "REUSED", "RECEIVED", "SENT", "RATE", "PEERS", "ROLE", "REMARKS"}}
	for _, n := range st.Nodes {
		var received int64
		for _, b := range n.Received.ByLevel {
			received += b
		}
		rows = append(rows, []string{
			n.Node, place(n.Location), string(n.Phase), percent(n.BytesDone, n.BytesTotal), size(n.BytesTotal), size(n.BytesReused),
			size(received), size(n.Sent), rate(n.Rate), strconv.Itoa(n.Peers), dash(n.Role), remarks(n),
		})
	}
	table(w, rows)
	writeFixes(w, st)
}

func rate(r int64) string {
	if r <= 0 {
		return "-"
	}
	return unit.Rate(r).String()
}

// writeFixes says what can be done about nodes that failed and about sources, once
// for each piece of advice.
func writeFixes(w io.Writer, st api.Status) {
	nodes := map[string][]string{}
	if len(troubles(st)) > 0 {
		for _, t := range st.Artifact.Troubles {
			nodes[t.Error.Fix] = append(nodes[t.Error.Fix], "the source on "+t.Node)
		}
	}
	for _, n := range st.Nodes {
		if n.Error != nil && n.Error.Fix != "" {
			nodes[n.Error.Fix] = append(nodes[n.Error.Fix], n.Node)
		}
	}
	for i, fix := range slices.Sorted(maps.Keys(nodes)) {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "Fix for %s: %s\n", clean(strings.Join(nodes[fix], ", ")), clean(fix))
	}
}

// traffic says by which rules a distribution's bytes move; "" if there are none.
func traffic(d api.Distribution) string {
	var parts []string
	if d.Rank() != bandwidth.Normal {
		parts = append(parts, "priority "+d.Priority)
	}
	if d.MaxDownload != nil {
		parts = append(parts, "download "+limitOf(d.MaxDownload)+" per node")
	}
	if d.MaxUpload != nil {
		parts = append(parts, "upload "+limitOf(d.MaxUpload)+" per node")
	}
	parts = append(parts, d.Windows...)
	if len(d.Windows) > 0 {
		parts = append(parts, "times of "+cmp.Or(d.TimeZone, "UTC"))
	}
	return strings.Join(parts, "; ")
}

func writeSummary(w io.Writer, st api.Status) {
	d, s := st.Distribution, st.Summary
	rows := [][]string{
		{"Distribution", d.Name},
		{"Artifact", describe(d.Digest, st.Artifact)},
		{"Path", d.Path},
		{"Selector", selector(d.Selector)},
		{"Nodes", progress(s)},
	}
	if d.Together() {
		rows = append(rows, []string{"Switch", switching(st)})
	}
	if text := traffic(d); text != "" {
		rows = append(rows, []string{"Traffic", text})
	}
	if d.Previous != "" {
		rows = append(rows, []string{"Previous", d.Previous})
	}
	if d.State == api.StateAbsent {
		rows = append(rows, []string{"State", "being removed"})
	}
	for _, h := range st.Holds {
		rows = append(rows, []string{"Held", h.String()})
	}
	for _, t := range troubles(st) {
		rows = append(rows, []string{"Trouble", t})
	}
	if s.Done && s.Seconds > 0 { // else it is of those that are done so far
		rows = append(rows, []string{"Time", fmt.Sprintf("%.1f s", s.Seconds)})
	}
	if s.SeedingRatio > 0 {
		rows = append(rows, []string{"Seeding ratio", fmt.Sprintf("%.2f", s.SeedingRatio)})
	}
	if copies := uplinkCopies(s.UplinkCopies); copies != "" {
		rows = append(rows, []string{"Copies into", copies})
	}
	table(w, rows)
}

// switching says how far the nodes are that switch together.
func switching(st api.Status) string {
	switch {
	case st.Distribution.MaySwitch():
		return "together, decided"
	case len(st.Summary.Blockers) == 0:
		return "together, about to"
	}
	return "together, when these have staged it: " + few(st.Summary.Blockers)
}

// few joins names, the first of them if there are many.
func few(names []string) string {
	const shown = 5
	if n := len(names) - shown; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), n)
	}
	return strings.Join(names, ", ")
}

func describe(digest string, a *api.Artifact) string {
	if a == nil {
		return digest
	}
	return fmt.Sprintf("%s  %s (%s)", a.Name, digest, extent(*a))
}

// extent says what an artifact is and how large.
func extent(a api.Artifact) string {
	text := fmt.Sprintf("%s, %s", a.Kind, unit.Bytes(a.SizeBytes))
	switch {
	case a.Kind == artifact.KindFile.String():
		return text
	case a.Files == 1:
		return text + ", 1 file"
	}
	return fmt.Sprintf("%s, %d files", text, a.Files)
}

func progress(s api.Summary) string {
	text := fmt.Sprintf("%d of %d done", s.Converged, s.Targets)
	for _, part := range []struct {
		n    int
		word string
	}{{s.Staged, "staged"}, {s.Paused, "paused"}, {s.Stopped, "stopped"}, {s.Failed, "failed"}, {s.Drifted, "repairing"}, {s.Offline, "down"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.word)
		}
	}
	return text
}

func selector(s api.Selector) string {
	var parts []string
	if len(s.Locations) > 0 {
		parts = append(parts, "in "+strings.Join(s.Locations, " or "))
	}
	if len(s.Labels) > 0 {
		parts = append(parts, "with "+pairs(s.Labels))
	}
	if len(s.NodeNames) > 0 {
		parts = append(parts, "among "+strings.Join(s.NodeNames, ", "))
	}
	if len(parts) == 0 {
		return "every node"
	}
	return "nodes " + strings.Join(parts, ", ")
}

func uplinkCopies(copies map[string]float64) string {
	var parts []string
	for _, l := range slices.Sorted(maps.Keys(copies)) {
		parts = append(parts, fmt.Sprintf("%s %.2f", l, copies[l]))
	}
	return strings.Join(parts, ", ")
}
