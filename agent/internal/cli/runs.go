package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/restore"
	"github.com/rackswarm/rackswarm/core/unit"
)

func (r *run) runsCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "runs [DATABASE]",
		Short:             "List what the agents did and do with databases",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: r.completeDatabase,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			all, err := c.Runs(ctx)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				all = slices.DeleteFunc(all, func(run api.Run) bool { return run.Request.Database != args[0] })
			}
			if len(args) == 1 && len(all) == 0 {
				if err := knownDatabase(ctx, c, args[0]); err != nil {
					return err
				}
			}
			return r.print(api.RunList{Runs: all}, func(w io.Writer) { r.runsTable(w, all) })
		}),
	}
}

func (r *run) runsTable(w io.Writer, all []api.Run) {
	rows := [][]string{{"RUN", "DOES", "DATABASE", "PHASE", "STARTED", "TOOK", "SCHEDULE", "REMARKS"}}
	for _, run := range all {
		remarks := ""
		if run.Error != nil {
			remarks = errorText(*run.Error)
		}
		if leaves(run) {
			remarks = "left: " + remarks
		}
		rows = append(rows, []string{run.ID, what(run.Request), run.Request.Database, phaseText(run), r.at(run.CreatedAt), r.took(run), dash(run.Schedule), remarks})
	}
	table(w, rows)
}

// leaves reports whether a run did all that it was for, and could only not remove
// something yet. That is no error.
func leaves(run api.Run) bool { return run.Phase == api.RunComplete && run.Error != nil }

func phaseText(run api.Run) string {
	if run.Aborting && !run.Phase.Finished() {
		return string(run.Phase) + ", aborting"
	}
	return string(run.Phase)
}

// took is how long a run has been under way.
func (r *run) took(run api.Run) string {
	end := run.FinishedAt
	if end.IsZero() {
		end = r.now()
	}
	return max(end.Sub(run.CreatedAt), 0).Round(time.Second).String()
}

// errorText is subject and message of an error in one line.
func errorText(e api.Error) string {
	if e.Subject == "" {
		return e.Message
	}
	return e.Subject + ": " + e.Message
}

func (r *run) runStatusCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "status RUN",
		Short: "Show a run with its nodes, or follow it to its end",
		Long: `Show a run with its nodes. With --wait follow it to its end, with a line for every
node on a terminal and a line for every change elsewhere; exit codes are those of
the command that started it. Interrupted, the run goes on.`,
		Args:              takesOne("RUN"),
		ValidArgsFunction: r.completeRun,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			run, err := c.Run(ctx, args[0])
			switch {
			case err != nil:
				return err
			case wait:
				return r.awaitRun(ctx, c, run)
			}
			return r.print(run, func(w io.Writer) { r.writeRun(w, run) })
		}),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for its end")
	return cmd
}

func (r *run) abortCommand() *cobra.Command {
	var noWait bool
	cmd := &cobra.Command{
		Use:   "abort RUN",
		Short: "End a run; nodes that it switched go back",
		Long: `Ask a run to end. Nodes that it switched to restored data get their old data back,
the others are left as they are. The command ends when that is done.`,
		Args:              takesOne("RUN"),
		ValidArgsFunction: r.completeRun,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			run, err := c.AbortRun(ctx, args[0])
			if err != nil {
				return err
			}
			if noWait || run.Phase.Finished() {
				return r.print(run, func(w io.Writer) { fmt.Fprintf(w, "%s: %s\n", run.ID, phaseText(run)) })
			}
			run, err = r.followRun(ctx, c, run)
			switch {
			case err != nil:
				return err
			case run.Phase == api.RunAborted:
				return stuckParts(run)
			}
			return r.runVerdict(ctx, run)
		}),
	}
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "end when the run knows")
	return cmd
}

func (r *run) forgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "forget RUN",
		Short:             "Drop a run that has finished from the list",
		Args:              takesOne("RUN"),
		ValidArgsFunction: r.completeRun,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			return r.removed(args[0], "forgotten", c.DeleteRun(ctx, args[0]))
		}),
	}
}

// writeRun describes a run: what it is, how it went, and where each node is.
func (r *run) writeRun(w io.Writer, run api.Run) {
	rows := [][]string{
		{"Run", fmt.Sprintf("%s (%s)", run.ID, what(run.Request))},
		{"Database", run.Request.Database},
		{"Phase", phaseText(run)},
		{"Started", r.at(run.CreatedAt)},
		{"Took", r.took(run)},
	}
	if run.Schedule != "" {
		rows = append(rows, []string{"Schedule", run.Schedule})
	}
	if b := run.Backup; b != nil && b.ID != "" {
		rows = append(rows, []string{"Backup", r.backupText(*b)})
		if len(b.Copies) > 0 {
			rows = append(rows, []string{"Copies", fmt.Sprintf("%s on %s", b.Path, few(b.Copies))})
		}
	}
	switch {
	case leaves(run):
		rows = append(rows, []string{"Left", errorText(*run.Error)})
	case run.Error != nil:
		rows = append(rows, []string{"Error", errorText(*run.Error)})
	}
	table(w, rows)
	parts := partsOf(run)
	if len(parts) == 0 {
		return
	}
	if how := fetchText(run); how != "" {
		fmt.Fprintf(w, "\n%s\n", clean(how))
	}
	fmt.Fprintln(w)
	rows = [][]string{{"NODE", "LOCATION", "ROLE", "STATE", "DOES", "LAG", "REMARKS"}}
	for _, p := range parts {
		rows = append(rows, []string{p.Node, place(p.Location), p.role, p.state(), dash(p.doing()), dash(p.lag()), p.remarks()})
	}
	table(w, rows)
	for _, fix := range fixes(run) {
		fmt.Fprintln(w, fix)
	}
}

// part is a node's part of a run, with what it is.
type part struct {
	api.RunPart
	role   string // "source", "member" or "copy"
	leaves bool   // it is done but for what it could not remove yet
}

// key tells parts of one run apart: a node may be a member and keep a copy.
func (p part) key() string {
	if p.role == roleCopy {
		return roleCopy + " " + p.Node
	}
	return p.Node
}

// label names the part on a line of its own.
func (p part) label() string {
	if p.role == roleCopy {
		return p.Node + " (copy)"
	}
	return p.Node
}

const roleCopy = "copy"

func partsOf(run api.Run) []part {
	var all []part
	if run.Source != nil {
		all = append(all, part{RunPart: *run.Source, role: "source", leaves: leaves(run)})
	}
	for _, m := range run.Members {
		all = append(all, part{RunPart: m, role: "member", leaves: leaves(run)})
	}
	for _, n := range run.Copying {
		all = append(all, copyOf(n))
	}
	return all
}

// copyOf shows a node that gets a copy to keep like one with a part in the run.
func copyOf(n api.NodeStatus) part {
	r := api.PartReport{Node: n.Node, State: api.PartState(n.Phase), Error: n.Error,
		Progress: &api.Progress{Stage: restore.StageCopy, Done: n.BytesDone, Total: n.BytesTotal, Rate: n.Rate}}
	if n.Phase == api.PhaseInstalled {
		r.Progress.Done = n.BytesTotal
	}
	if n.Waiting != "" {
		r.Doing = "waiting: " + n.Waiting
	}
	return part{RunPart: api.RunPart{Node: n.Node, Location: n.Location, Report: r, Unreachable: n.Unreachable}, role: roleCopy}
}

// fetchText says how far all nodes together have fetched the content, and which is
// the last; "" if none fetches.
func fetchText(run api.Run) string {
	var done, total, rate int64
	var last *part
	nodes, complete := 0, 0
	for _, p := range partsOf(run) {
		g := p.Report.Progress
		if g == nil || g.Stage != restore.StageCopy {
			continue
		}
		nodes, complete = nodes+1, complete+one(p.fetched())
		done, total, rate = done+g.Done, total+g.Total, rate+g.Rate
		if last == nil || share(*g) < share(*last.Report.Progress) {
			last = &p
		}
	}
	if nodes == 0 {
		return ""
	}
	text := fmt.Sprintf("%d of %d nodes have the content, %s of %s, %s", complete, nodes, percent(done, total), unit.Bytes(total), unit.Rate(rate))
	if nodes > 1 && complete < nodes {
		text += fmt.Sprintf("; last is %s with %s", last.Node, percent(last.Report.Progress.Done, last.Report.Progress.Total))
	}
	return text
}

// fetched reports whether a node has fetched all of the content.
func (p part) fetched() bool {
	g := p.Report.Progress
	return g != nil && g.Stage == restore.StageCopy && share(*g) >= 1
}

// share is which part of it is done, of 1.
func share(g api.Progress) float64 {
	if g.Total <= 0 {
		return 0
	}
	return float64(g.Done) / float64(g.Total)
}

func (p part) state() string {
	if p.Report.State == "" {
		return "waiting"
	}
	return strings.ReplaceAll(string(p.Report.State), "_", " ")
}

// doing is what is under way, and how far.
func (p part) doing() string {
	how := p.progress()
	return strings.TrimSpace(p.Report.Doing + " " + how)
}

func (p part) progress() string {
	if g := p.Report.Progress; g != nil && g.Total > 0 {
		text := fmt.Sprintf("%s of %s", percent(g.Done, g.Total), unit.Bytes(g.Total))
		if g.Rate > 0 {
			text += ", " + unit.Rate(g.Rate).String()
		}
		return text
	}
	if g := p.Report.Progress; g != nil && g.Done > 0 {
		return unit.Bytes(g.Done).String()
	}
	return ""
}

func (p part) lag() string {
	if h := p.Report.Health; h != nil && h.Replicating {
		return unit.Bytes(h.LagBytes).String()
	}
	return ""
}

// err is what is wrong with a part, nil for nothing.
func (p part) err() *api.Error {
	if p.Report.Error != nil {
		return p.Report.Error
	}
	return p.Error
}

func (p part) remarks() string {
	switch e := p.err(); {
	case e != nil && p.leaves && e.Code == api.CodeUnreachable && e.Subject != "":
		return e.Subject + " does not answer"
	case e != nil:
		return errorText(*e)
	case p.Unreachable:
		return "down"
	case p.Report.Health != nil && p.Report.Health.Message != "":
		return p.Report.Health.Message
	case p.Report.State == api.PartStuck:
		return "neither the new nor the old data run"
	}
	return ""
}

// fixes says what can be done about parts that failed, once for each advice.
func fixes(run api.Run) []string {
	if leaves(run) { // what to do is the same, whatever a node met
		return []string{"", clean("About what is left: " + run.Error.Fix)}
	}
	var lines []string
	for _, p := range partsOf(run) {
		if e := p.err(); e != nil && e.Fix != "" {
			if line := clean(fmt.Sprintf("Fix on %s: %s", p.Node, e.Fix)); !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) > 0 {
		lines = append([]string{""}, lines...)
	}
	return lines
}
