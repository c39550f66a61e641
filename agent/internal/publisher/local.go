package publisher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rackswarm/rackswarm/agent/internal/publish"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// Publish hashes and signs a path of this machine and serves it in place. The
// error is source_not_local if the path is not what the client means, or cannot
// be read here. Publishing the same content again returns the artifact that
// stands, with this node among its seeds.
func (p *Publisher) Publish(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	if err := p.ready(ctx); err != nil {
		return api.Artifact{}, err
	}
	source, err := locate(req)
	if err != nil {
		return api.Artifact{}, err
	}
	name := req.Name
	if name == "" {
		name = filepath.Base(req.Source)
	}
	built, err := p.build(ctx, source, publish.Options{Name: name, PieceLength: req.PieceSize, Progress: progress})
	if err != nil {
		return api.Artifact{}, err
	}
	p.commit.Lock()
	defer p.commit.Unlock()
	a, err := p.record(ctx, built, source, source)
	if err != nil {
		return api.Artifact{}, err
	}
	if d := built.Manifest.Digest(); source != p.kept.content(d) {
		p.discard(d)
	}
	return a, nil
}

// build hashes, a few publications at a time.
func (p *Publisher) build(ctx context.Context, path string, o publish.Options) (publish.Result, error) {
	release, err := take(ctx, p.hashing)
	if err != nil {
		return publish.Result{}, fmt.Errorf("wait to hash %s: %w", path, err)
	}
	defer release()
	return publish.Build(ctx, path, o)
}

// locate returns the source's path without symbolic links, so that a link that
// moves on later does not change what is served.
func locate(req api.PublishRequest) (string, error) {
	if req.Expect == nil {
		return resolve(req.Source)
	}
	seen, err := client.Identify(req.Source)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", notLocal(req.Source, "there is no such path on the agent's machine")
	case err != nil:
		return "", notLocal(req.Source, "the agent cannot look at it: "+err.Error())
	case seen != *req.Expect:
		return "", notLocal(req.Source, "on the agent's machine this is another file")
	}
	f, err := os.Open(req.Source)
	if err != nil {
		return "", notLocal(req.Source, "the agent cannot read it: "+err.Error())
	}
	f.Close()
	return resolve(req.Source)
}

func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &api.Error{Code: api.CodeNotFound, Subject: path, Message: "no such path on the agent's machine",
			Fix: "check the path, or stream the content to the agent"}
	case err != nil:
		return "", &api.Error{Code: api.CodeSourceUnsuited, Subject: path, Message: err.Error(), Fix: "name a file or directory"}
	}
	return real, nil
}

func notLocal(path, message string) error {
	return &api.Error{Code: api.CodeSourceNotLocal, Subject: path, Message: message, Fix: "stream the content to the agent"}
}
