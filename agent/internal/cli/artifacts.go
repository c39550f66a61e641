package cli

import (
	"context"
	"io"
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

func (r *run) artifactsTable(w io.Writer, all []api.Artifact) {
	rows := [][]string{{"NAME", "KIND", "SIZE", "FILES", "SEEDS", "PUBLISHED", "DIGEST"}}
	for _, a := range all {
		rows = append(rows, []string{a.Name, a.Kind, unit.Bytes(a.SizeBytes).String(), strconv.Itoa(a.Files), dash(strings.Join(a.Seeds, ",")), ago(r.now(), a.CreatedAt), a.Digest})
	}
	table(w, rows)
}
