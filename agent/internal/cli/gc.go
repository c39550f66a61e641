package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

func (r *run) gcCommand() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Free what an agent holds on its disk without need",
		Long: `Delete what the agent that is asked, by default that of this machine, holds on its
disk and no distribution needs: stagings that were given up, versions that are
kept and not wanted any more, copies of sources that are not published any more.
Agents do that by themselves, some time later; it frees nothing that a
distribution could still need, and nothing while the store is unreachable.`,
		Args: cobra.NoArgs,
		RunE: r.command(func(ctx context.Context, _ []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			done, err := c.Collect(ctx, dry)
			if err != nil {
				return err
			}
			return r.print(done, func(w io.Writer) { writeCollection(w, done) })
		}),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only list it")
	return cmd
}

func writeCollection(w io.Writer, c api.Collection) {
	if len(c.Items) > 0 {
		rows := [][]string{{"PATH", "SIZE", "WHY"}}
		for _, item := range c.Items {
			rows = append(rows, []string{item.Path, unit.Bytes(item.Bytes).String(), item.Reason})
		}
		table(w, rows)
		fmt.Fprintln(w)
	}
	verb := "freed"
	if c.DryRun {
		verb = "can be freed"
	}
	fmt.Fprintf(w, "%s: %s %s, %s in use", c.Node, unit.Bytes(c.FreedBytes), verb, unit.Bytes(c.UsedBytes))
	if c.QuotaBytes > 0 {
		fmt.Fprintf(w, " of %s", unit.Bytes(c.QuotaBytes))
	}
	fmt.Fprintln(w)
}
