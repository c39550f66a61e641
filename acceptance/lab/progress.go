package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows how far the runs are: on a terminal a line for each that is
// redrawn, elsewhere a line now and then.
type progress struct {
	out *os.File
	tty bool

	mu    sync.Mutex
	runs  []*running
	drawn int // lines on the terminal
	last  time.Time
}

// running is a run that goes on.
type running struct {
	job
	bound    time.Duration
	complete int
	since    time.Duration
	said     time.Time
}

const (
	redraw = 200 * time.Millisecond
	repeat = 10 * time.Second // where there is no terminal
)

func newProgress(out *os.File) *progress {
	return &progress{out: out, tty: term.IsTerminal(int(out.Fd()))}
}

// print says something that stays.
func (p *progress) print(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintf(p.out, format+"\n", args...)
	p.draw()
}

func (p *progress) begin(j job, bound time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs = append(p.runs, &running{job: j, bound: bound, said: time.Now()})
	p.erase()
	p.draw()
}

func (p *progress) update(j job, complete int, since time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.find(j)
	if i < 0 {
		return
	}
	r := p.runs[i]
	r.complete, r.since = complete, since
	now := time.Now()
	switch {
	case p.tty && now.Sub(p.last) >= redraw:
		p.last = now
		p.erase()
		p.draw()
	case !p.tty && now.Sub(r.said) >= repeat:
		r.said = now
		fmt.Fprintln(p.out, r.line())
	}
}

// end says how a run ended.
func (p *progress) end(res result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	if i := p.find(res.job); i >= 0 {
		p.runs = slices.Delete(p.runs, i, i+1)
	}
	fmt.Fprintf(p.out, "%s: %s\n", res.job, outcome(res))
	p.draw()
}

// outcome is a result in a few words.
func outcome(res result) string {
	rep := res.report
	switch {
	case res.err != nil:
		return res.err.Error()
	case rep.Missing != "":
		return "missing: " + rep.Missing
	}
	text := fmt.Sprintf("%d of %d complete, the last after %.1f s", len(rep.Nodes), len(res.trial.scenario.Receivers), rep.Last)
	if rep.Last > 0 && rep.LastOverBound > 0 {
		text += fmt.Sprintf(", %.3f of the bound", rep.LastOverBound)
	}
	for _, n := range rep.Notes {
		text += "\n    " + strings.ReplaceAll(n, "\n", "\n    ")
	}
	return text
}

func (p *progress) find(j job) int {
	return slices.IndexFunc(p.runs, func(r *running) bool { return r.number == j.number })
}

func (p *progress) erase() {
	if p.tty && p.drawn > 0 {
		fmt.Fprintf(p.out, "\x1b[%dA\x1b[J", p.drawn)
		p.drawn = 0
	}
}

func (p *progress) draw() {
	if !p.tty {
		return
	}
	for _, r := range p.runs {
		fmt.Fprintln(p.out, r.line())
	}
	p.drawn = len(p.runs)
}

func (r *running) line() string {
	if r.since == 0 {
		return fmt.Sprintf("%s: coming up", r.job)
	}
	return fmt.Sprintf("%s: %d of %d complete after %.0f s, bound %.1f s",
		r.job, r.complete, len(r.trial.scenario.Receivers), r.since.Seconds(), r.bound.Seconds())
}
