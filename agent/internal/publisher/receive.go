package publisher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rackswarm/rackswarm/agent/internal/publish"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/client/pack"
)

// Receive keeps content that a client streams, then publishes that copy. The
// body is read up to its end or the first error. Receiving the same content
// again replaces the copy.
func (p *Publisher) Receive(ctx context.Context, req api.StreamRequest, body io.Reader, progress func(api.Progress)) (api.Artifact, error) {
	if err := p.ready(ctx); err != nil {
		return api.Artifact{}, err
	}
	release, err := take(ctx, p.receiving)
	if err != nil {
		return api.Artifact{}, fmt.Errorf("wait to receive %s: %w", req.Name, err)
	}
	defer release()
	dir, err := p.kept.begin()
	if err != nil {
		return api.Artifact{}, err
	}
	limited, room := p.arrive(ctx, dir, req.Name)
	a, err := p.receiveInto(limited, room, dir, req, body, room.watch(limited, progress))
	dropped := p.kept.drop(dir)
	if err = room.end(limited, dir, err); err != nil {
		return api.Artifact{}, errors.Join(err, dropped)
	}
	if dropped != nil {
		p.cfg.Logger.Warn("the copy that was replaced stays until the agent starts again", "dir", dir, "error", dropped)
	}
	return a, nil
}

// receiveInto publishes the content out of dir, which may be gone, or hold an
// older copy, afterwards.
func (p *Publisher) receiveInto(ctx context.Context, room *arrival, dir string, req api.StreamRequest, body io.Reader, progress func(api.Progress)) (api.Artifact, error) {
	if req.Checksum != "" && req.Kind != artifact.KindFile.String() {
		return api.Artifact{}, &api.Error{Code: api.CodeInvalid, Subject: "checksum", Message: "a checksum is that of a file, and this is a tree", Fix: "leave it out"}
	}
	if err := extract(ctx, dir, req, body, progress); err != nil {
		return api.Artifact{}, err
	}
	if err := room.complete(ctx, dir); err != nil {
		return api.Artifact{}, err
	}
	built, err := p.build(ctx, filepath.Join(dir, contentName),
		publish.Options{Name: req.Name, PieceLength: req.PieceSize, Checksum: req.Checksum != "", Progress: progress})
	if err == nil {
		err = checkSum(req.Name, req.Checksum, built.Checksum)
	}
	if err != nil {
		return api.Artifact{}, err
	}
	return p.keep(ctx, dir, built, origin{})
}

// keep gives the content in dir its place for good, and serves it from there.
// Afterwards dir is gone, or holds an older copy, or, after an error, the content.
func (p *Publisher) keep(ctx context.Context, dir string, built publish.Result, from origin) (api.Artifact, error) {
	p.commit.Lock()
	defer p.commit.Unlock()
	d := built.Manifest.Digest()
	before := p.kept.recordedBy(d)
	p.noteStore(ctx, dir) // first: no copy is left that nobody knows the store of
	replaced, err := p.kept.settle(dir, d)
	if err != nil {
		return api.Artifact{}, err
	}
	from.path = p.kept.content(d)
	a, err := p.record(ctx, built, from)
	switch {
	case err == nil:
		p.noteStore(ctx, p.kept.path(d)) // it may be another one by now
	case replaced:
		err = errors.Join(err, noteStore(p.kept.path(d), before))
	default:
		err = errors.Join(err, p.kept.unsettle(dir, d))
	}
	p.account(p.kept.path(d))
	return a, err
}

// extract stores the stream as dir/content.
func extract(ctx context.Context, dir string, req api.StreamRequest, body io.Reader, progress func(api.Progress)) error {
	kind := artifact.KindTree
	if req.Kind == artifact.KindFile.String() {
		kind = artifact.KindFile
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return keepError(dir, err)
	}
	defer root.Close()
	if err := publish.Extract(ctx, body, kind, root, contentName, progress); err != nil {
		return err
	}
	if kind == artifact.KindTree {
		return nil
	}
	if err := root.Chmod(contentName, pack.FileMode(req.Mode)); err != nil {
		return keepError(filepath.Join(dir, contentName), err)
	}
	return nil
}
