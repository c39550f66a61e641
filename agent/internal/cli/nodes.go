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
	rows := [][]string{{"NODE", "LOCATION", "STATE", "SEEN", "LABELS", "HOLDS", "DATA", "API", "VERSION"}}
	for _, n := range nodes {
		state := "down"
		if n.Alive {
			state = "up"
		}
		rows = append(rows, []string{n.Name, place(n.Location), state, ago(r.now(), n.LastSeen), dash(pairs(n.Labels)), holds(n), dash(n.DataAddr), dash(n.APIAddr), dash(n.Version)})
	}
	table(w, rows)
}

// holds is how much a node holds, of what it may hold.
func holds(n api.Node) string {
	if n.QuotaBytes > 0 {
		return size(n.UsedBytes) + " of " + size(n.QuotaBytes)
	}
	return size(n.UsedBytes)
}
