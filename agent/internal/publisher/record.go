package publisher

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/publish"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
)

// origin is where content lies and what the record says of it.
type origin struct {
	path    string // that is served
	shown   string // api.Artifact.Source
	version string // api.Artifact.SourceVersion
}

// record serves the content, then tells the fleet of it: nobody hears of an
// artifact that cannot be fetched. commit is held.
func (p *Publisher) record(ctx context.Context, built publish.Result, from origin) (api.Artifact, error) {
	m := artifact.Sign(built.Manifest, p.cfg.Key)
	digest := m.Digest().String()
	old, err := p.cfg.Store.Artifact(ctx, digest)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return api.Artifact{}, err
	}
	if err := p.cfg.Sources.AddSource(ctx, from.path, m); err != nil {
		return api.Artifact{}, err
	}
	a := describe(m, built.Checksum)
	a.Seeds, a.CreatedAt = []string{p.cfg.Self}, p.cfg.Now().UTC().Truncate(time.Second)
	a.Source, a.SourceVersion = from.shown, from.version
	if known {
		a.CreatedAt = old.CreatedAt
	}
	if err := p.cfg.Store.PutArtifact(ctx, a); err != nil {
		if !known {
			p.cfg.Sources.RemoveSource(m.Digest())
		}
		return api.Artifact{}, err
	}
	p.cfg.Logger.Info("published", "digest", digest, "name", a.Name, "path", from.path, "source", from.shown, "bytes", a.SizeBytes, "files", a.Files)
	return p.cfg.Store.Artifact(ctx, digest)
}

// describe is what a signed manifest says of its artifact.
func describe(m *artifact.Manifest, checksum string) api.Artifact {
	return api.Artifact{
		Digest:       m.Digest().String(),
		Name:         m.Name(),
		Kind:         m.Kind().String(),
		SizeBytes:    int64(m.Size()),
		Files:        len(m.Files()),
		PieceLength:  m.PieceLength(),
		ManifestSize: int64(len(m.Encode())),
		Checksum:     checksum,
		Publisher:    base64.StdEncoding.EncodeToString(m.Publisher()),
		Signature:    base64.StdEncoding.EncodeToString(m.Signature()),
	}
}

// Unpublish stops serving the artifact on this node and deletes what a client
// streamed of it. A path that was published in place stays as it is. An
// artifact that this node does not serve is no error.
func (p *Publisher) Unpublish(ctx context.Context, digest string) error {
	d, err := artifact.ParseDigest(digest)
	if err != nil {
		return &api.Error{Code: api.CodeInvalid, Subject: digest, Message: err.Error(), Fix: "use the digest that publishing printed"}
	}
	p.commit.Lock()
	defer p.commit.Unlock()
	if err := p.cfg.Store.RemoveSeed(ctx, digest, p.cfg.Self); err != nil {
		return err
	}
	p.cfg.Sources.RemoveSource(d)
	defer p.account(p.kept.path(d))
	return p.kept.remove(d)
}

// discard deletes a streamed copy that nothing is served from any more.
func (p *Publisher) discard(d artifact.Digest) {
	defer p.account(p.kept.path(d))
	if err := p.kept.remove(d); err != nil {
		p.cfg.Logger.Warn("a copy that is not needed stays", "digest", d, "error", err)
	}
}
