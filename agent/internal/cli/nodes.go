package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
)

func (r *run) nodesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "nodes",
		Short: "List the nodes of the fleet",
		Args:  cobra.NoArgs,
		RunE: r.command(func(ctx context.Context, _ []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			nodes, err := c.Nodes(ctx)
			if err != nil {
				return err
			}
			return r.print(api.NodeList{Nodes: nodes}, func(w io.Writer) { r.nodesTable(w, nodes) })
		}),
	}
}

func (r *run) nodesTable(w io.Writer, nodes []api.Node) {
	rows := [][]string{{"NODE", "LOCATION", "STATE", "SEEN", "LABELS", "DATA", "API", "VERSION"}}
	for _, n := range nodes {
		state := "down"
		if n.Alive {
			state = "up"
		}
		rows = append(rows, []string{n.Name, place(n.Location), state, ago(r.now(), n.LastSeen), dash(pairs(n.Labels)), dash(n.DataAddr), dash(n.APIAddr), dash(n.Version)})
	}
	table(w, rows)
}
