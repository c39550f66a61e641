package pluginhost

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Config says how drivers are run. Zero values have defaults.
type Config struct {
	// Catalog is the path of the operator's catalogue (see ParseCatalog). It is read
	// at each start of a driver, so that a driver can be replaced while the agent
	// runs.
	Catalog string
	Logger  *slog.Logger
	// RunDir is where a private directory for sockets is made; os.TempDir by
	// default. It may have at most 50 bytes.
	RunDir string
	// StartTimeout is what a program has until it answers, 20 s by default; Grace
	// what a driver has to end a call that was cancelled, 5 s.
	StartTimeout, Grace time.Duration
	// Idle is how long an unused process is kept, 10 min by default.
	Idle   time.Duration
	Policy Policy
}

// maxRunDir leaves room in the 107 bytes of a socket's path for what go-plugin
// and New append.
const maxRunDir = 50

// Host runs drivers and sensors. Its methods may be called from several goroutines.
type Host struct {
	config Config
	launch launcher
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	drivers map[string]*supervisor // of sensors too, by program
	closed  bool
}

// New returns a host that has started nothing yet. It does not read the
// catalogue.
func New(c Config) (*Host, error) {
	c = c.withDefaults()
	if len(c.RunDir) > maxRunDir {
		return nil, fmt.Errorf("directory for the drivers' sockets: %s has %d bytes; a socket's path leaves it %d", c.RunDir, len(c.RunDir), maxRunDir)
	}
	dir, err := os.MkdirTemp(c.RunDir, "rs-") // with mode 0700
	if err != nil {
		return nil, fmt.Errorf("directory for the drivers' sockets: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Host{
		config: c, ctx: ctx, cancel: cancel, drivers: map[string]*supervisor{},
		launch: launcher{catalog: c.Catalog, dir: dir, startTimeout: c.StartTimeout, grace: c.Grace, log: c.Logger},
	}, nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.RunDir == "" {
		c.RunDir = os.TempDir()
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = 20 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = 5 * time.Second
	}
	if c.Idle == 0 {
		c.Idle = 10 * time.Minute
	}
	c.Policy = c.Policy.withDefaults()
	return c
}

// Database returns the driver of that name, once its process runs and has said
// that it is that driver. What is returned may be used from several goroutines
// until Close; each of its calls starts the process again if that ended, after a
// pause if it crashed.
//
// Errors of its methods are *pluginapi.Error from the driver, *Error of its
// process, or wrap the context's; Retryable tells which may be tried again. A
// call whose context ended returns when the driver works on it no more, at most
// Config.Grace and the killing later.
func (h *Host) Database(ctx context.Context, name string) (pluginapi.DatabaseDriver, error) {
	s, err := h.acquire(ctx, KindDriver, name)
	if err != nil {
		return nil, err
	}
	return &database{s}, nil
}

// acquire returns the supervisor of a program that runs.
func (h *Host) acquire(ctx context.Context, k Kind, name string) (*supervisor, error) {
	s, err := h.supervisor(k, name)
	if err != nil {
		return nil, err
	}
	p, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	s.release(p)
	return s, nil
}

func (h *Host) supervisor(k Kind, name string) (*supervisor, error) {
	if h.config.Catalog == "" {
		return nil, &Error{
			Kind: k, Driver: name, Reason: ReasonCatalog, Message: "the agent has no catalogue of drivers",
			Fix: "set drivers in agent.yaml to a file that sha256sum wrote",
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, closedError(k, name)
	}
	s := h.drivers[k.prefix()+name]
	if s == nil {
		s = &supervisor{
			kind: k, name: name, policy: h.config.Policy, idle: h.config.Idle, log: h.config.Logger, ctx: h.ctx,
			launch: func(ctx context.Context) (process, error) { return h.launch.launch(ctx, k, name) },
		}
		h.drivers[k.prefix()+name] = s
	}
	return s, nil
}

// Close ends all processes and their groups, and returns when they are gone.
// Calls under way fail.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	var all sync.WaitGroup
	for _, s := range h.drivers { // closed: nobody adds any more
		all.Go(s.close)
	}
	all.Wait()
	_ = os.RemoveAll(h.launch.dir)
}
