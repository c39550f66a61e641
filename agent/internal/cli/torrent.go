package cli

import (
	"bytes"
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rackswarm/rackswarm/core/api"
)

func (r *run) torrentCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "torrent DIGEST",
		Short: "Write an artifact's .torrent file, for other BitTorrent clients",
		Long: `Write an artifact's .torrent file (BitTorrent v2), for other BitTorrent clients.
Agents let them take part if foreign.accept or foreign.peers says so. The agent
that is asked must hold the artifact.`,
		Args:              takesOne("DIGEST"),
		ValidArgsFunction: r.completeArtifact,
		RunE: r.command(func(ctx context.Context, args []string) error {
			if file == "" {
				return r.torrentTo(ctx, args[0], r.Stdout)
			}
			return r.torrentFile(ctx, args[0], file)
		}),
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "write to this file (default: standard output)")
	return cmd
}

func (r *run) torrentTo(ctx context.Context, digest string, w io.Writer) error {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &api.Error{Code: api.CodeInvalid, Subject: "standard output", Message: "a .torrent file is no text", Fix: "name a file with -o, or redirect the output"}
	}
	c, err := r.connect()
	if err != nil {
		return err
	}
	return c.Torrent(ctx, digest, w)
}

// torrentFile has all of it before it touches the file.
func (r *run) torrentFile(ctx context.Context, digest, file string) error {
	var torrent bytes.Buffer
	if err := r.torrentTo(ctx, digest, &torrent); err != nil {
		return err
	}
	if err := os.WriteFile(file, torrent.Bytes(), 0o644); err != nil {
		return &api.Error{Code: api.CodeIO, Subject: file, Message: err.Error(), Fix: "name a file that can be written"}
	}
	r.note("wrote %s", file)
	return nil
}
