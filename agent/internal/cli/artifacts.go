package cli

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

func (r *run) artifactsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "artifacts",
		Short: "List what is published",
		Args:  cobra.NoArgs,
		RunE: r.command(func(ctx context.Context, _ []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			all, err := c.Artifacts(ctx)
			if err != nil {
				return err
			}
			return r.print(api.ArtifactList{Artifacts: all}, func(w io.Writer) { r.artifactsTable(w, all) })
		}),
	}
}

// seeds names the nodes that hold the source, and which of them cannot serve it.
func seeds(a api.Artifact) string {
	names := slices.Clone(a.Seeds)
	for i, name := range names {
		if slices.ContainsFunc(a.Troubles, func(t api.SeedTrouble) bool { return t.Node == name }) {
			names[i] += " (source changed)"
		}
	}
	return strings.Join(names, ",")
}

func (r *run) artifactsTable(w io.Writer, all []api.Artifact) {
	rows := [][]string{{"NAME", "KIND", "SIZE", "FILES", "SEEDS", "PUBLISHED", "DIGEST"}}
	for _, a := range all {
		rows = append(rows, []string{a.Name, a.Kind, unit.Bytes(a.SizeBytes).String(), strconv.Itoa(a.Files), dash(seeds(a)), ago(r.now(), a.CreatedAt), a.Digest})
	}
	table(w, rows)
}
