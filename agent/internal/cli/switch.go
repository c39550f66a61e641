package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

func (r *run) activateCommand() *cobra.Command {
	return r.switchCommand("activate", "Have nodes switch now to what they have staged",
		`Have nodes switch now that have staged a new version and wait for the others,
as the distribution says that all switch together. The others follow when they
have it. Where hooks refused the version, they are asked
once more.`,
		(*client.Client).Activate,
		func(w io.Writer, d api.Distribution) {
			fmt.Fprintf(w, "%s: nodes that have staged %s switch to it. Watch it with: rackswarm watch %s\n", d.Name, d.Digest, d.Name)
		})
}

func (r *run) rollbackCommand() *cobra.Command {
	return r.switchCommand("rollback", "Return to the version before",
		`Give a distribution the artifact that it had before the present one. Nodes that
keep the version before (distribute --keep-previous) fetch nothing for that. Once
more leads forward again.`,
		(*client.Client).Rollback,
		func(w io.Writer, d api.Distribution) {
			fmt.Fprintf(w, "%s: %s belongs at %s again. Watch it with: rackswarm watch %s\n", d.Name, d.Digest, d.Path, d.Name)
		})
}

// switchCommand is a command that changes which version nodes have, and may wait
// for them.
func (r *run) switchCommand(name, short, long string, ask func(*client.Client, context.Context, string) (api.Distribution, error), say func(io.Writer, api.Distribution)) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:               name + " NAME",
		Short:             short,
		Long:              long + " With --wait the command ends as distribute does.",
		Args:              takesOne("NAME"),
		ValidArgsFunction: r.completeDistribution,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			d, err := ask(c, ctx, args[0])
			if err != nil {
				return err
			}
			if wait {
				return r.await(ctx, c, d.Name, installed(d.Generation, 100))
			}
			return r.print(d, func(w io.Writer) { say(w, d) })
		}),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the nodes")
	return cmd
}
