package restore

import (
	"context"
	"log/slog"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pluginapi"
	"github.com/rackswarm/rackswarm/core/store"
)

// Instance is a database that this node's configuration names.
type Instance struct {
	Driver string // name in the catalogue of drivers
	Data   string // the data directory, absolute and clean; its parent is inside of Config.Roots
	// Settings and Commands are the driver's. They are told to it and to nobody else.
	Settings map[string]string
	Commands map[string][]string
	// AllowPrimary lets runs that ask for it replace a database that runs and takes
	// writes. Runs are not signed: the node has to agree.
	AllowPrimary bool
}

// Drivers are the drivers that this node may start, by name; pluginhost.Host is
// one.
type Drivers interface {
	Database(ctx context.Context, name string) (pluginapi.DatabaseDriver, error)
}

// Publisher publishes directories of this machine; publisher.Publisher is one.
type Publisher interface {
	// Publish publishes req.Source, a path, in place.
	Publish(ctx context.Context, req api.PublishRequest, progress func(api.Progress)) (api.Artifact, error)
	// Unpublish ends serving the artifact from here. Its record stays. An artifact
	// that is not served is no error.
	Unpublish(ctx context.Context, digest string) error
}

// Holder knows which paths belong to distributions; reconcile.Reconciler is one.
type Holder interface {
	// Holds reports whether a distribution has something at, above or below the
	// path on this node, is about to put it there, or is being forgotten.
	Holds(ctx context.Context, path string) (bool, error)
}

// Config is what a Worker needs. Zero values of the last two have defaults.
type Config struct {
	Self      string // this node's name
	Store     *store.Store
	Drivers   Drivers
	Publisher Publisher
	// CanPublish says that Publisher has a key. Without, nothing is captured here.
	CanPublish bool
	Holder     Holder
	// Budget is what may be held on this node's disk; nil is no limit.
	Budget    *quota.Budget
	Databases map[string]Instance // by the name that runs use
	// Roots are the directories below which data directories may be replaced.
	Roots []string
	// StateDir is the agent's; journals lie in its directory "restore".
	StateDir string
	Logger   *slog.Logger     // discards
	Now      func() time.Time // time.Now
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
