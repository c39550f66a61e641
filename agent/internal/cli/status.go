package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

func (r *run) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "status [NAME]",
		Short:             "Show all distributions, or one with its nodes",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: r.completeDistribution,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return r.statusOfAll(ctx, c)
			}
			st, err := c.Status(ctx, args[0])
			if err != nil {
				return err
			}
			return r.print(st, func(w io.Writer) { writeStatus(w, atWindows(st, r.now())) })
		}),
	}
}

// atWindows is a status whose nodes that are to move something say so if the time windows of
// the distribution let nothing pass at now, and until when.
func atWindows(st api.Status, now time.Time) api.Status {
	w, shut := closedBy(st.Distribution, now)
	if !shut {
		return st
	}
	closed := fmt.Sprintf("the window %q lets nothing pass", w.text)
	if w.until != "" {
		closed += " until " + w.until
	}
	st.Nodes = slices.Clone(st.Nodes)
	for i, n := range st.Nodes {
		if fetches(n) {
			st.Nodes[i].Waiting = closed
		}
	}
	return st
}

// closedWindow lets nothing pass.
type closedWindow struct {
	text  string // as Binding.Text names it
	until string // such as "Mon 18:00 UTC"; "" for ever
}

// closedBy is the window by which a distribution moves nothing at now, if there is one.
// What cannot be read here is none: nodes say that themselves.
func closedBy(d api.Distribution, now time.Time) (closedWindow, bool) {
	t, err := d.Timetable()
	if err != nil || !t.Any() || t.At(now, false).Rate > 0 {
		return closedWindow{}, false
	}
	return closedWindow{t.At(now, false).Binding.Text, t.Until(now)}, true
}

// fetches reports whether a node is to receive something.
func fetches(n api.NodeStatus) bool {
	return n.Phase == api.PhasePending || n.Phase == api.PhaseManifest || n.Phase == api.PhaseFetching
}

// statusList is printed by status without a name.
type statusList struct {
	Statuses []api.Status `json:"statuses"`
}

func (r *run) statusOfAll(ctx context.Context, c *client.Client) error {
	all, err := c.Distributions(ctx)
	if err != nil {
		return err
	}
	out := statusList{Statuses: []api.Status{}}
	for _, d := range all {
		st, err := c.Status(ctx, d.Name)
		if client.IsNotFound(err) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		out.Statuses = append(out.Statuses, st)
	}
	return r.print(out, func(w io.Writer) { statusTable(w, out.Statuses, r.now()) })
}

func statusTable(w io.Writer, all []api.Status, now time.Time) {
	rows := [][]string{{"NAME", "ARTIFACT", "SIZE", "PATH", "NODES", "STATE"}}
	for _, st := range all {
		name, bytes := st.Distribution.Digest, int64(0)
		if st.Artifact != nil {
			name, bytes = st.Artifact.Name, st.Artifact.SizeBytes
		}
		rows = append(rows, []string{st.Distribution.Name, name, size(bytes), st.Distribution.Path, fmt.Sprintf("%d/%d", st.Summary.Converged, st.Summary.Targets), state(st, now)})
	}
	table(w, rows)
}

// state is a distribution in a few words, at now.
func state(st api.Status, now time.Time) string {
	s := st.Summary
	window, shut := closedBy(st.Distribution, now)
	switch {
	case st.Distribution.State == api.StateAbsent:
		return "being removed"
	case s.Stopped > 0:
		return "stopped"
	case s.Paused > 0:
		return "paused"
	case s.Failed > 0:
		return fmt.Sprintf("%d failed", s.Failed)
	case s.Done:
		return "done"
	case slices.ContainsFunc(st.Nodes, st.Starves):
		return "source changed"
	case shut && slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool { return fetches(n) && !n.Unreachable }):
		return window.opens()
	case s.Staged > 0 && len(s.Blockers) > 0:
		return "waiting for " + few(s.Blockers)
	case s.Drifted > 0:
		return "repairing"
	case s.Offline > 0 && s.Converged+s.Offline >= s.Targets:
		return fmt.Sprintf("%d down", s.Offline)
	}
	return "under way"
}

// opens says that somebody waits for the window, and for how long.
func (w closedWindow) opens() string {
	if w.until == "" {
		return "closed by its windows"
	}
	return "waiting for its window, opens " + w.until
}
