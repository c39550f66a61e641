package publisher

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/download"
	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
)

const (
	// maxHashing bounds how many publications hash at once: each uses all cores.
	maxHashing = 2
	// maxReceiving bounds how much content is streamed or downloaded at once.
	maxReceiving = 8
)

// Sources serves published content in place; the reconciler does.
type Sources interface {
	// AddSource serves m, which is signed, from the path, now and after a
	// restart, in place of the path it was served from before.
	AddSource(ctx context.Context, path string, m *artifact.Manifest) error
	// RemoveSource ends that. The files stay.
	RemoveSource(d artifact.Digest)
}

// Config is what a Publisher needs.
type Config struct {
	Self     string             // this node's name
	Key      ed25519.PrivateKey // of the publisher; nil: this agent cannot publish
	StateDir string             // keeps copies of what is streamed or downloaded
	Store    *store.Store
	Sources  Sources
	// Roots are the directories below which other nodes may have paths published.
	Roots []string
	// NodeTLS is for connections to the API of a node; nil if there is no TLS, so
	// that no node answers.
	NodeTLS func(node string) *tls.Config
	// Budget is what may be held on this node's disk; nil is no limit.
	Budget *quota.Budget
	// Fetcher downloads; it has usable defaults.
	Fetcher download.Config
	Logger  *slog.Logger     // nil discards
	Now     func() time.Time // nil is time.Now
}

// Publisher publishes on this agent. It is safe for concurrent use.
type Publisher struct {
	cfg       Config
	kept      *keeper
	fetcher   *download.Fetcher
	underWay  keyed         // downloads, by what is kept of them
	hashing   chan struct{} // tokens
	receiving chan struct{} // tokens

	// commit is held while what is served and what is recorded change together.
	commit sync.Mutex
}

// New clears what an earlier run left unfinished in the state directory.
func New(cfg Config) (*Publisher, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	kept, err := openKeeper(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	p := &Publisher{cfg: cfg, kept: kept, fetcher: download.New(cfg.Fetcher),
		hashing: make(chan struct{}, maxHashing), receiving: make(chan struct{}, maxReceiving)}
	return p, p.accountAll()
}

// ready checks, before anything long begins, that the end can be reached.
func (p *Publisher) ready(ctx context.Context) error {
	if p.cfg.Key == nil {
		return api.NoPublisherKey()
	}
	return p.cfg.Store.Ping(ctx)
}

// take waits for a token and returns what gives it back.
func take(ctx context.Context, tokens chan struct{}) (release func(), err error) {
	select {
	case tokens <- struct{}{}:
		return func() { <-tokens }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
