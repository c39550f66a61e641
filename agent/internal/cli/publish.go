package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/unit"
)

func (r *run) publishCommand() *cobra.Command {
	var name, pieceSize string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "publish PATH",
		Short: "Hash and sign a file or directory, and serve it to the fleet",
		Long: `Hash and sign a file or directory. An agent on this machine serves it in place,
so it must stay as it is; any other agent is sent a copy.

The digest that is printed names the content. The same content gives the same
digest.`,
		Args: cobra.ExactArgs(1),
		RunE: r.command(func(ctx context.Context, args []string) error {
			c, err := r.connect()
			if err != nil {
				return err
			}
			a, err := r.publishPath(ctx, c, args[0], name, pieceSize)
			if err != nil {
				return err
			}
			return r.print(a, func(w io.Writer) { writeArtifact(w, a, quiet) })
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the artifact (default: the last part of PATH)")
	cmd.Flags().StringVar(&pieceSize, "piece-size", "", "a power of two from 16KiB to 16MiB (default: chosen by the content's size)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the digest only")
	return cmd
}

// publishPath publishes a path of this machine, showing progress.
func (r *run) publishPath(ctx context.Context, c *client.Client, path, name, pieceSize string) (api.Artifact, error) {
	piece, err := parsePieceSize(pieceSize)
	if err != nil {
		return api.Artifact{}, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return api.Artifact{}, fmt.Errorf("find the whole path of %s: %w", path, err)
	}
	p := r.publishProgress()
	a, err := c.PublishPath(ctx, absolute, name, piece, p.show)
	p.close(err == nil)
	return a, err
}

func parsePieceSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := unit.ParseBytes(text)
	if err != nil || n < 16*unit.KiB || n > 16*unit.MiB || n&(n-1) != 0 {
		return 0, usage("--piece-size", fmt.Sprintf("%q is not a power of two from 16KiB to 16MiB", text), "write for example 1MiB, or leave it out")
	}
	return int64(n), nil
}

func writeArtifact(w io.Writer, a api.Artifact, quiet bool) {
	if quiet {
		fmt.Fprintln(w, a.Digest)
		return
	}
	rows := [][]string{
		{"Artifact", fmt.Sprintf("%s (%s, %s, %d files)", a.Name, a.Kind, unit.Bytes(a.SizeBytes), a.Files)},
		{"Digest", a.Digest},
	}
	if a.Checksum != "" {
		rows = append(rows, []string{"Checksum", a.Checksum})
	}
	if a.Source != "" {
		rows = append(rows, []string{"Served from", a.Source})
	}
	table(w, rows)
}
