package publisher

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

// Inspect tells which version a source has, without moving or hashing content.
func (p *Publisher) Inspect(ctx context.Context, req api.PublishRequest) (api.SourceState, error) {
	source, err := api.ParseSource(req.Source)
	switch {
	case err != nil:
		return api.SourceState{}, err
	case source.Kind == api.SourceURL:
		return p.inspectURL(ctx, source, req.Headers)
	case source.Kind == api.SourceNode && source.Node != p.cfg.Self:
		return p.inspectOnNode(ctx, source)
	}
	path, err := resolve(source.Path)
	if err != nil {
		return api.SourceState{}, err
	}
	return inspectPath(ctx, path)
}

func inspectPath(ctx context.Context, path string) (api.SourceState, error) {
	version, size, err := pathVersion(ctx, path)
	return api.SourceState{Source: path, Version: version, SizeBytes: size}, err
}

// pathVersion is a hash over what is known of a path without reading content:
// names, modes, sizes, times and inodes. It is taken before the content is
// hashed, so that what changes meanwhile differs from it.
func pathVersion(ctx context.Context, path string) (version string, size int64, err error) {
	s, err := pack.Scan(ctx, path)
	if err != nil {
		return "", 0, err
	}
	defer s.Close()
	sum := sha256.New()
	for _, f := range s.Files {
		fmt.Fprintf(sum, "file %q %o %d %d %d\n", f.Path, f.Mode, f.Stamp.Size, f.Stamp.Mtime, f.Stamp.Inode)
	}
	for _, d := range s.Dirs {
		fmt.Fprintf(sum, "dir %q %o\n", d.Path, d.Mode)
	}
	for _, l := range s.Links {
		fmt.Fprintf(sum, "link %q %q\n", l.Path, l.Target)
	}
	return "stat:" + hex.EncodeToString(sum.Sum(nil)), s.Size, nil
}
