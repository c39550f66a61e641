package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// bars is a view for terminals: a bar for every node and one for all. When there
// are more nodes than rows, those that are not done yet are shown.
type bars struct {
	progress *mpb.Progress
	all      *bar
	nodes    map[string]*bar
	room     int // for bars of nodes
	crowded  bool
	last     api.Status
}

// bar is one line. Its texts are read by the goroutine that draws.
type bar struct {
	*mpb.Bar
	text atomic.Pointer[string]
}

func newBars(w io.Writer, rows int) *bars {
	return &bars{
		progress: mpb.New(mpb.WithOutput(w), mpb.WithRefreshRate(150*time.Millisecond), mpb.WithAutoRefresh()),
		nodes:    map[string]*bar{},
		room:     rows - 2,
	}
}

// allPriority keeps the bar for all below those of nodes, in the order in which
// they came.
const allPriority = 1 << 30

const barWidth = 32 // columns

func (b *bars) show(st api.Status) {
	b.last = st
	b.crowded = b.crowded || len(st.Nodes) > b.room
	for i, n := range st.Nodes {
		b.showNode(st.Distribution, n, i)
	}
	if b.all == nil {
		b.all = b.add("all nodes", allPriority, false)
	}
	done, total, rate := sums(st)
	text := fmt.Sprintf("%d of %d nodes  %s of %s  %s", st.Summary.Converged, st.Summary.Targets, percent(done, total), size(total), unit.Rate(rate))
	b.all.set(done, total, strings.Join(slices.Concat([]string{text}, heldLines(st), troubles(st)), "  "))
}

func (b *bars) showNode(d api.Distribution, n api.NodeStatus, priority int) {
	line, shown := b.nodes[n.Node]
	finished := holding(d, n) && b.crowded
	switch {
	case shown && finished:
		line.finish(n)
		delete(b.nodes, n.Node)
		return
	case finished, !shown && len(b.nodes) >= b.room:
		return
	case !shown:
		line = b.add(clean(n.Node), priority, b.crowded)
		b.nodes[n.Node] = line
	}
	line.set(n.BytesDone, n.BytesTotal, barText(n))
}

// add makes a bar; transient ones vanish when they are complete.
func (b *bars) add(name string, priority int, transient bool) *bar {
	line := &bar{}
	empty := ""
	line.text.Store(&empty)
	options := []mpb.BarOption{
		mpb.BarPriority(priority),
		mpb.BarWidth(barWidth),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return *line.text.Load() })),
	}
	if transient {
		options = append(options, mpb.BarRemoveOnComplete())
	}
	line.Bar = b.progress.New(0, mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"), options...)
	return line
}

// set moves the bar. It does not complete it: content may have to be repaired.
func (l *bar) set(done, total int64, text string) {
	l.text.Store(&text)
	l.SetTotal(max(total, 1), false)
	l.SetCurrent(min(done, max(total, 1)))
}

func (l *bar) finish(n api.NodeStatus) {
	text := barText(n)
	l.text.Store(&text)
	l.SetTotal(max(n.BytesTotal, 1), true)
}

func barText(n api.NodeStatus) string {
	text := string(n.Phase)
	switch more := remarks(n); {
	case more != "":
		text += "  " + clean(more)
	case n.Phase == api.PhaseFetching:
		text += fmt.Sprintf("  %s of %s  %s", percent(n.BytesDone, n.BytesTotal), size(n.BytesTotal), unit.Rate(n.Rate))
	}
	return text
}

// close leaves the last state on the screen.
func (b *bars) close() {
	for _, n := range b.last.Nodes {
		if line, ok := b.nodes[n.Node]; ok {
			line.end(holding(b.last.Distribution, n), n.BytesTotal)
		}
	}
	for _, line := range b.nodes {
		line.Abort(false) // of nodes that are no targets any more
	}
	if b.all != nil {
		_, total, _ := sums(b.last)
		b.all.end(b.last.Summary.Done, total)
	}
	b.progress.Wait()
}

func (l *bar) end(complete bool, total int64) {
	if complete {
		l.SetTotal(max(total, 1), true)
		return
	}
	l.Abort(false)
}
