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

// Publish publishes a path of this machine in place, a URL by a copy of what it
// leads to, or has another node publish a path. Publishing the same content again
// returns the artifact that stands, with the node among its seeds. Of a path, the
// error is source_not_local if it is not what the client means, or cannot be read
// here.
func (p *Publisher) Publish(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error) {
	source, err := api.ParseSource(req.Source)
	if err != nil {
		return api.Artifact{}, err
	}
	if source.Kind == api.SourceNode && source.Node != p.cfg.Self {
		return p.publishOnNode(ctx, source, req, progress)
	}
	if err := p.ready(ctx); err != nil {
		return api.Artifact{}, err
	}
	if source.Kind == api.SourceURL {
		return p.publishURL(ctx, source, req, progress)
	}
	remote := source.Kind == api.SourceNode
	req.Source = source.Path
	path, err := locate(req)
	if err != nil {
		return api.Artifact{}, err
	}
	from := origin{path: path, shown: path}
	if remote {
		if from.version, _, err = pathVersion(ctx, path); err != nil {
			return api.Artifact{}, err
		}
	}
	return p.publishInPlace(ctx, from, req, progress, func(publish.Result) error { return nil })
}

// publishInPlace hashes and serves a path. check may refuse what was hashed.
func (p *Publisher) publishInPlace(ctx context.Context, from origin, req api.PublishRequest, progress func(api.Progress), check func(publish.Result) error) (api.Artifact, error) {
	name := req.Name
	if name == "" {
		name = filepath.Base(req.Source)
	}
	if err := checkFile(from.path, req.Checksum); err != nil {
		return api.Artifact{}, err
	}
	built, err := p.build(ctx, from.path, publish.Options{Name: name, PieceLength: req.PieceSize, Checksum: req.Checksum != "", Progress: progress})
	if err == nil {
		err = checkSum(req.Source, req.Checksum, built.Checksum)
	}
	if err == nil {
		err = check(built)
	}
	if err != nil {
		return api.Artifact{}, err
	}
	p.commit.Lock()
	defer p.commit.Unlock()
	a, err := p.record(ctx, built, from)
	if err != nil {
		return api.Artifact{}, err
	}
	if d := built.Manifest.Digest(); from.path != p.kept.content(d) {
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

// checkFile refuses, before anything is read, a directory that shall have the
// checksum of a file.
func checkFile(path, checksum string) error {
	if info, err := os.Stat(path); checksum != "" && err == nil && info.IsDir() {
		return &api.Error{Code: api.CodeInvalid, Subject: "checksum", Message: path + " is a directory, and a checksum is that of a file",
			Fix: "leave it out, or name a file"}
	}
	return nil
}

// checkSum compares a file's checksum with the one that is wanted, "" for any.
func checkSum(subject, want, got string) error {
	if want == "" || got == want {
		return nil
	}
	return &api.Error{Code: api.CodeChecksum, Subject: subject, Message: fmt.Sprintf("its content has %s and should have %s", got, want),
		Fix: "check that the source is the right one and whole, and that the checksum is its own"}
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
