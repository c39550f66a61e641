package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

func (r *run) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch NAME",
		Short: "Watch a distribution until all nodes are done",
		Long: `Watch a distribution until all nodes are done, with a bar for every node on a
terminal and a line for every change elsewhere; with --json one status per line.

Interrupted, the distribution goes on.`,
		Args:              takesOne("NAME"),
		ValidArgsFunction: r.completeDistribution,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			g := installed(0, 100)
			g.patient = true
			st, err := r.follow(ctx, c, args[0], g, r.watchView())
			if client.IsNotFound(err) && st.Distribution.State == api.StateAbsent {
				r.note("%s is removed.", args[0])
				return nil
			}
			if err != nil {
				return err
			}
			if !r.flags.json {
				fmt.Fprintln(r.Stdout)
				writeSummary(r.Stdout, st)
			}
			return verdict(ctx, st, g)
		}),
	}
}

func (r *run) watchView() view {
	if r.flags.json {
		return jsonLines{r.Stdout}
	}
	return r.viewOn(r.Stdout)
}

// waitView shows what a command waits for, beside its result.
func (r *run) waitView() view {
	if r.flags.json {
		return silent{}
	}
	return r.viewOn(r.Stderr)
}

func (r *run) viewOn(w io.Writer) view {
	if rows, ok := terminal(w); ok {
		return newBars(w, rows)
	}
	return newLines(w, r.now)
}

// jsonLines is a view for programs: one status per line.
type jsonLines struct{ w io.Writer }

func (j jsonLines) show(st api.Status) { _ = json.NewEncoder(j.w).Encode(st) }
func (j jsonLines) close()             {}
