package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (r *run) verifyCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "verify NAME",
		Short: "Have the nodes hash a distribution's content again",
		Long: `Have the nodes read and hash a distribution's content again. What is missing or
changed is fetched anew. With --wait the command ends when all nodes have done
so, or those that have not failed or are down; exit codes are as in distribute.`,
		Args:              takesOne("NAME"),
		ValidArgsFunction: r.completeDistribution,
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			d, err := c.Verify(ctx, args[0])
			if err != nil {
				return err
			}
			if wait {
				return r.await(ctx, c, d.Name, verified(d))
			}
			return r.print(d, func(w io.Writer) {
				fmt.Fprintf(w, "%s: the nodes hash their content again. See: rackswarm status %s\n", d.Name, d.Name)
			})
		}),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the nodes")
	return cmd
}
