package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/restore"
)

// runView shows a run while it goes on.
type runView interface {
	show(run api.Run)
	close() // shows what is left to show, and gives the terminal back
}

func (r *run) runView() runView {
	if r.flags.json {
		return silentRun{}
	}
	if rows, ok := terminal(r.Stderr); ok {
		return &runBars{bars: newBars(r.Stderr, rows), lines: map[string]*bar{}}
	}
	return &runLines{w: r.Stderr, now: r.now, said: map[string]string{}, last: r.now()}
}

// silentRun shows nothing: with --json only the end is printed.
type silentRun struct{}

func (silentRun) show(api.Run) {}
func (silentRun) close()       {}

// awaitRun follows a run to its end, prints how it ended, and returns the verdict.
// A ctx that ends leaves the run going.
func (r *run) awaitRun(ctx context.Context, c *client.Client, begun api.Run) error {
	last, err := r.followRun(ctx, c, begun)
	if err != nil {
		return err
	}
	return r.runVerdict(ctx, last)
}

// followRun is awaitRun without the verdict: it returns the run as it stood last.
func (r *run) followRun(ctx context.Context, c *client.Client, begun api.Run) (api.Run, error) {
	last := begun
	v := r.runView()
	err := c.WatchRun(ctx, begun.ID, true, func(run api.Run) error {
		last = run
		v.show(run)
		return nil
	})
	v.close()
	if err != nil && ctx.Err() == nil {
		return last, err
	}
	return last, r.print(last, func(w io.Writer) { r.writeRun(w, last) })
}

// runVerdict is nil if the run is complete, and else the error with which the
// command ends.
func (r *run) runVerdict(ctx context.Context, run api.Run) error {
	if run.Phase.Finished() {
		return r.outcome(run)
	}
	next := fmt.Sprintf("follow it with: rackswarm-backup status %s --wait, or end it with: rackswarm-backup abort %s", run.ID, run.ID)
	if errors.Is(ctx.Err(), context.Canceled) {
		return &exitError{exitInterrupted, &api.Error{Code: api.CodeCanceled, Subject: run.ID, Message: "interrupted; the run goes on without this command", Fix: next}}
	}
	return &api.Error{Code: api.CodeCanceled, Subject: run.ID, Message: "not finished at the end of the time given; the run goes on", Fix: next}
}

// outcome is the verdict on a run that has finished.
func (r *run) outcome(run api.Run) error {
	if run.Phase == api.RunComplete {
		return nil
	}
	why := api.Error{Code: api.CodeInternal, Message: "no reason is known"}
	if run.Error != nil {
		why = *run.Error
	}
	code, how := exitFailed, "the run failed"
	if run.Phase == api.RunPartial {
		code, how = exitPartial, fmt.Sprintf("%d of %d nodes are done", done(run), len(run.Members))
	}
	why.Message = how + ": " + errorText(why)
	why.Subject = run.ID
	if why.Fix == "" {
		why.Fix = "see the nodes' remarks: rackswarm-backup status " + run.ID
	}
	return &exitError{code, errors.Join(&why, stuckParts(run))}
}

// done is how many members have what they shall have.
func done(run api.Run) int {
	n := 0
	for _, m := range run.Members {
		n += one(m.Report.State == api.PartCommitted || m.Report.State == api.PartSkipped || m.Report.State == api.PartEnded && m.Report.Error == nil && m.Error == nil)
	}
	return n
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// stuckParts is an error for nodes on which a person is needed, nil if there are
// none.
func stuckParts(run api.Run) error {
	var all []error
	for _, m := range run.Members {
		if m.Report.State != api.PartStuck {
			continue
		}
		e := api.Error{Code: api.CodeState, Subject: m.Node, Message: "the database does not run, neither with the new nor with the old data; nothing was deleted",
			Fix: "see why in the log of the database"}
		if why := m.Report.Error; why != nil {
			e.Message, e.Fix = "a person is needed: "+why.Message, why.Fix
		}
		if m.Report.OldData != "" {
			e.Fix += "; the old data are at " + m.Report.OldData
		}
		all = append(all, &e)
	}
	return errors.Join(all...)
}

// runLines is a view for files and pipes: a line for every change of the run's
// phase and of a node's state, and now and then one for what is under way.
type runLines struct {
	w    io.Writer
	now  func() time.Time
	said map[string]string // by node; "" is the run
	last time.Time         // when progress was last shown
}

func (l *runLines) show(run api.Run) {
	l.say("", clean(run.ID)+": "+phaseText(run))
	for _, p := range partsOf(run) {
		line := fmt.Sprintf("%s %s: %s: %s", clean(p.Node), place(p.Location), p.role, p.state())
		if p.Report.Doing != "" {
			line += ", " + clean(p.Report.Doing)
		}
		if more := p.remarks(); more != "" {
			line += " (" + clean(more) + ")"
		}
		l.say(p.key(), line)
	}
	now := l.now()
	if now.Sub(l.last) < lineInterval {
		return
	}
	l.last = now
	if how := fetchText(run); how != "" {
		fmt.Fprintf(l.w, "%s: %s\n", clean(run.ID), clean(how))
	}
	for _, p := range partsOf(run) {
		if how := progressAndLag(p); how != "" && !p.fetched() {
			fmt.Fprintf(l.w, "%s: %s\n", clean(p.label()), clean(how))
		}
	}
}

func (l *runLines) say(who, line string) {
	if l.said[who] != line {
		l.said[who] = line
		fmt.Fprintln(l.w, line)
	}
}

func (l *runLines) close() {}

func progressAndLag(p part) string {
	var texts []string
	if how := p.doing(); how != "" {
		texts = append(texts, how)
	}
	if lag := p.lag(); lag != "" {
		texts = append(texts, "lag "+lag)
	}
	return strings.Join(texts, "  ")
}

// runBars is a view for terminals: a line for the run and one for each node, as
// far as there are rows.
type runBars struct {
	bars  *bars
	lines map[string]*bar // by node; "" is the run
	last  api.Run
}

func (b *runBars) show(run api.Run) {
	b.last = run
	b.endCopies(run)
	b.line("", clean(run.ID), 0).set(b.whole(run))
	for i, p := range partsOf(run) {
		line := b.line(p.key(), clean(p.label()), i+1)
		if line == nil {
			continue
		}
		text := p.state()
		if how := progressAndLag(p); how != "" {
			text += "  " + clean(how)
		}
		if more := p.remarks(); more != "" {
			text += "  " + clean(more)
		}
		var at, total int64
		if g := p.Report.Progress; g != nil {
			at, total = g.Done, g.Total
		}
		line.set(at, total, text)
	}
}

// endCopies completes the lines of nodes whose copies are complete, as the run does
// not speak of them any more.
func (b *runBars) endCopies(run api.Run) {
	if len(run.Copying) > 0 || run.Error != nil {
		return
	}
	for key, line := range b.lines {
		if strings.HasPrefix(key, roleCopy+" ") {
			line.set(1, 1, "has its copy")
		}
	}
}

// whole is the line of the run: how much its nodes have fetched, and later how many
// members are done.
func (b *runBars) whole(run api.Run) (at, total int64, text string) {
	how := fetchText(run)
	if how == "" {
		return int64(done(run)), int64(len(run.Members)), phaseText(run)
	}
	for _, p := range partsOf(run) {
		if g := p.Report.Progress; g != nil && g.Stage == restore.StageCopy {
			at, total = at+g.Done, total+g.Total
		}
	}
	return at, total, phaseText(run) + "  " + clean(how)
}

// line is the bar of a node, nil if there is no room for one more.
func (b *runBars) line(key, name string, priority int) *bar {
	line := b.lines[key]
	if line == nil && len(b.lines) <= b.bars.room {
		line = b.bars.add(name, priority, false)
		b.lines[key] = line
	}
	return line
}

func (b *runBars) close() {
	for _, line := range b.lines {
		line.end(b.last.Phase == api.RunComplete, 1)
	}
	b.bars.progress.Wait()
}
