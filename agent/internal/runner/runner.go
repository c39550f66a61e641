package runner

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/fleet"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// Config is what a Runner needs. Zero values of the last two have defaults.
type Config struct {
	Self  string // this node's name
	Store *store.Store
	// Databases are those that this node's configuration names. Their runs and
	// schedules it may lead, and all runs that it was asked for.
	Databases []string
	Logger    *slog.Logger     // discards
	Now       func() time.Time // time.Now
}

// pace says how fast a Runner goes.
type pace struct {
	lease     time.Duration // of a run
	compete   time.Duration // between attempts to get a lease that another holds; up to twice as long, by chance
	turn      time.Duration // between looks at a run without a reason
	rest      time.Duration // between looks at a run whatever happens
	resync    time.Duration // between looks at all runs without a reason
	retry     time.Duration // after the store did not answer
	schedules time.Duration // between looks at schedules
	scatter   time.Duration // by which agents look at what is due at different times
	tidy      time.Duration
}

var usual = pace{
	lease: 10 * time.Second, compete: 5 * time.Second, turn: 2 * time.Second, rest: 50 * time.Millisecond,
	resync: 30 * time.Second, retry: time.Second, schedules: 20 * time.Second, scatter: time.Second, tidy: 10 * time.Minute,
}

// storeTimeout bounds one exchange with the store.
const storeTimeout = 5 * time.Second

// farewell bounds what is said to the store at the end.
const farewell = 2 * time.Second

// Runner leads runs.
type Runner struct {
	cfg   Config
	pace  pace
	fleet *fleet.Fleet
	alone chan struct{} // holds one value while this agent holds the lease of creation
	look  chan struct{} // holds one value when asked has grown

	mu    sync.Mutex
	asked map[string]bool    // runs that were asked for here; guarded by mu
	leads map[string]*leader // runs that this agent may lead; guarded by mu

	malformed map[string]time.Time // schedules that were complained of, by when they were written; of fire
}

// New returns a runner that does nothing but what its methods are asked for until
// Run.
func New(c Config) *Runner {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Runner{
		cfg: c, pace: usual, fleet: fleet.New(c.Store, c.Now), alone: make(chan struct{}, 1), look: make(chan struct{}, 1),
		asked: map[string]bool{}, leads: map[string]*leader{}, malformed: map[string]time.Time{},
	}
}

// now is the time that records get.
func (r *Runner) now() time.Time { return r.cfg.Now().UTC().Round(0) }

// Run leads until ctx ends. Runs that it leads then go on elsewhere, or when it is
// called again.
func (r *Runner) Run(ctx context.Context) {
	var parts sync.WaitGroup
	defer parts.Wait()
	if len(r.cfg.Databases) > 0 {
		parts.Go(func() { r.fire(ctx) })
		parts.Go(func() { r.tidy(ctx) })
	}
	watcher := r.cfg.Store.Watch(ctx)
	resync := time.NewTimer(r.pace.resync)
	defer resync.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-watcher.Events():
			if !ok {
				return
			}
			err = r.handle(ctx, &parts, watcher, ev)
		case <-r.look:
			err = r.lookAll(ctx, &parts, watcher)
		case <-resync.C:
			err = r.lookAll(ctx, &parts, watcher)
		}
		resync.Reset(r.pace.resync)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Log(ctx, outageLevel(err), "runs are not read; trying again", "error", err)
			resync.Reset(r.pace.retry)
		}
	}
}

func (r *Runner) handle(ctx context.Context, parts *sync.WaitGroup, w *store.Watcher, ev store.Event) error {
	switch ev := ev.(type) {
	case store.RunMoved:
		if l := r.leader(ev.Run); l != nil {
			l.kick()
			return nil
		}
		return r.lookAt(ctx, parts, w, ev.Run)
	case store.ReportsMoved:
		if l := r.leader(ev.Run); l != nil {
			l.kick()
		}
	case store.Up:
		return r.lookAll(ctx, parts, w)
	}
	return nil
}

func (r *Runner) leader(run string) *leader {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leads[run]
}

func (r *Runner) lookAt(ctx context.Context, parts *sync.WaitGroup, w *store.Watcher, id string) error {
	reading, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	run, err := r.cfg.Store.Run(reading, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		r.consider(ctx, parts, w, run)
	}
	return err
}

func (r *Runner) lookAll(ctx context.Context, parts *sync.WaitGroup, w *store.Watcher) error {
	reading, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	runs, err := r.cfg.Store.Runs(reading)
	for _, run := range runs {
		r.consider(ctx, parts, w, run)
	}
	return err
}

// consider begins to compete for a run that goes on and that this agent may lead.
func (r *Runner) consider(ctx context.Context, parts *sync.WaitGroup, w *store.Watcher, run api.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	mine := r.asked[run.ID] || run.Runner == r.cfg.Self || slices.Contains(r.cfg.Databases, run.Request.Database)
	if run.Phase.Finished() || !mine || r.leads[run.ID] != nil {
		return
	}
	l := &leader{runner: r, id: run.ID, watcher: w, moved: make(chan struct{}, 1), log: r.cfg.Logger.With("run", run.ID)}
	r.leads[run.ID] = l
	parts.Go(func() {
		l.compete(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.leads, run.ID)
		delete(r.asked, run.ID)
	})
}

// ask has the run led by this agent, if no other does.
func (r *Runner) ask(run string) {
	r.mu.Lock()
	r.asked[run] = true
	r.mu.Unlock()
	kick(r.look)
}

func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// outageLevel is that of an error of the store: others tell of an outage.
func outageLevel(err error) slog.Level {
	if errors.Is(err, store.ErrUnreachable) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// wait waits for d, or one of wake; false is the end of ctx.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-t.C:
	}
	return ctx.Err() == nil
}
