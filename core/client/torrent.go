package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Torrent writes an artifact's manifest to w: a BitTorrent v2 .torrent file. The
// agent that answers must hold it.
func (c *Client) Torrent(ctx context.Context, digest string, w io.Writer) error {
	path, err := object(pathArtifacts, digest)
	if err != nil {
		return err
	}
	op := "read torrent of " + digest
	resp, err := c.send(ctx, call{op: op, method: http.MethodGet, path: path + "/torrent", accept: typeTorrent})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		if ctx.Err() != nil {
			return canceled(ctx, op)
		}
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}
