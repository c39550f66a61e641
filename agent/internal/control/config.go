package control

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
)

// Config is what a Server needs.
type Config struct {
	Store *store.Store
	// Self describes this agent; StoreOK is filled in by the server.
	Self func() api.Info
	// Publisher may be nil. It is asked to publish on this node only while Self says
	// CanPublish.
	Publisher Publisher
	// Torrent returns the encoded manifest of an artifact if this node keeps it, else
	// an *api.Error with code not_found. nil keeps none.
	Torrent func(artifact.Digest) ([]byte, error)
	// Transfers lists those in which this agent takes part, sorted by digest; nil
	// knows none.
	Transfers func() []api.Transfer
	// Links says what is known of links; nil knows none.
	Links func(context.Context) (api.LinkList, error)
	// Node may be nil: then nothing is done without the store.
	Node Node
	// Collector may be nil.
	Collector Collector
	// Databases may be nil: then runs and schedules are only read.
	Databases Databases

	// Socket is the path of the unix socket, "" for none.
	Socket string
	// Listen is host:port for mutual TLS, "" for none. It needs TLS and Identify.
	Listen string
	// TLS requires and verifies client certificates.
	TLS *tls.Config
	// Identify tells name and role ("node", "operator", "reader") of a client
	// whose certificate TLS has verified.
	Identify func(tls.ConnectionState) (name, role string, err error)

	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil is time.Now
}

// Publisher publishes content on this agent. Its methods are called
// concurrently, and end early when ctx does.
type Publisher interface {
	// Publish hashes, signs and serves a path of this machine in place, downloads a
	// URL and publishes the copy, or has another node publish a path. req is valid.
	Publish(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error)
	// PublishForNode is Publish for a caller who may be any node of the fleet: of a
	// path of this machine that is open to them.
	PublishForNode(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error)
	// Inspect tells which version a remote source has.
	Inspect(ctx context.Context, req api.PublishRequest) (api.SourceState, error)
	// InspectForNode is to Inspect what PublishForNode is to Publish.
	InspectForNode(ctx context.Context, req api.PublishRequest) (api.SourceState, error)
	// Receive stores content that a client sends, then publishes that.
	Receive(ctx context.Context, req api.StreamRequest, body io.Reader, progress func(api.Progress)) (api.Artifact, error)
	// Unpublish stops serving the artifact on this agent.
	Unpublish(ctx context.Context, digest string) error
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Node is what this agent does, and knows, without the store. Its methods are called
// concurrently, and wait no longer than their contexts last.
type Node interface {
	// PauseHere pauses a distribution, or all for "", on this node alone.
	PauseHere(ctx context.Context, h api.Hold) (api.Hold, error)
	// ResumeHere ends such a pause, and returns what it ended.
	ResumeHere(ctx context.Context, distribution string) ([]api.Hold, error)
	// OperatorHolds are the holds that the node knows, of the fleet and its own.
	OperatorHolds(ctx context.Context) ([]api.Hold, error)
	// Report is what the node says of a distribution; false if it knows none.
	Report(ctx context.Context, name string) (api.Distribution, api.NodeStatus, bool)
}
