package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/show"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

const sparse = 5 * time.Second // between lines when there is no terminal

// table shows the nodes of a distribution: in place on a terminal, otherwise a
// line now and then.
type table struct {
	out   *show.Printer
	drawn int // lines on the screen
	last  time.Time
}

func (t *table) show(st api.Status) {
	switch {
	case t.out.TTY:
		t.draw(st)
	case time.Since(t.last) >= sparse:
		t.last = time.Now()
		var done, total, rate int64
		for _, n := range st.Nodes {
			done, total, rate = done+n.BytesDone, total+n.BytesTotal, rate+n.Rate
		}
		t.out.Note("%d of %d nodes done, %d%% of %s, %s", st.Summary.Converged, st.Summary.Targets, percent(done, total), size(total), unit.Rate(rate))
	}
}

// end leaves the last state where it can be read.
func (t *table) end(st api.Status) {
	t.draw(st)
	t.drawn = 0
}

func (t *table) draw(st api.Status) {
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", t.drawn)
	}
	lines := nodeLines(st)
	for _, line := range lines {
		if line = "   " + line; len(line) > t.out.Width() {
			line = line[:t.out.Width()]
		}
		b.WriteString(line)
		if t.out.TTY {
			b.WriteString("\x1b[K")
		}
		b.WriteByte('\n')
	}
	t.drawn = len(lines)
	fmt.Fprint(t.out.Out, b.String())
}

// nodeLines are a heading and a line per node. The last columns say where the
// bytes came from.
func nodeLines(st api.Status) []string {
	lines := []string{fmt.Sprintf("%-9s %-6s  %-10s %-16s %12s  %9s %9s %9s", "NODE", "RACK", "PHASE", "DONE", "RATE", "OWN RACK", "OWN DC", "OTHER DC")}
	for _, n := range st.Nodes {
		from := levels(n)
		lines = append(lines, fmt.Sprintf("%-9s %-6s  %-10s %s %12s  %9s %9s %9s", n.Node, n.Location, n.Phase,
			progressBar(n.BytesDone, n.BytesTotal), rate(n.Rate), amount(from[2]), amount(from[1]), amount(from[0])))
	}
	return lines
}

// levels are the bytes a node received from other datacenters, from other racks
// of its own and from its own rack.
func levels(n api.NodeStatus) (from [3]int64) {
	for i, bytes := range n.Received.ByLevel {
		from[min(i, 2)] += bytes
	}
	return from
}

func received(n api.NodeStatus) int64 {
	from := levels(n)
	return from[0] + from[1] + from[2]
}

func progressBar(done, total int64) string {
	p := percent(done, total)
	return fmt.Sprintf("%s%s %4d%%", strings.Repeat("#", p/10), strings.Repeat(".", 10-p/10), p)
}

func percent(done, total int64) int {
	if total <= 0 {
		return 0
	}
	return int(min(done, total) * 100 / total)
}

func amount(n int64) string {
	if n == 0 {
		return "-"
	}
	return size(n)
}

func rate(n int64) string {
	if n == 0 {
		return "-"
	}
	return unit.Rate(n).String()
}

// erase removes the table from the screen.
func (t *table) erase() {
	if t.drawn > 0 {
		fmt.Fprintf(t.out.Out, "\x1b[%dA\x1b[J", t.drawn)
		t.drawn = 0
	}
}
