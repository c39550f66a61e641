package reconcile

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/agent/internal/once"
	"github.com/rackswarm/rackswarm/agent/internal/quota"
	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Config is what a Reconciler stands on. Store, Swarm, Storage and StateDir are
// required; the caller owns and closes them after Run has returned.
type Config struct {
	Self     api.Node // Alive and LastSeen are set here
	Store    *store.Store
	Swarm    swarmapi.Swarm
	Storage  *storage.Manager
	StateDir string              // for what has to survive a restart
	Trust    []ed25519.PublicKey // publishers whose artifacts are accepted
	Hooks    hook.Set            // commands that distributions may name
	Budget   *quota.Budget       // of this node's disk; nil is no limit
	// Download and Upload are the limits of the configuration, which the swarm began
	// with. The lowest of these and of those that operators set counts.
	Download, Upload unit.Rate
	// LinksChanged is called when operators say something else of links, or may have; nil
	// for nobody who wants to know. It must not block.
	LinksChanged func()
	// CheckInterval is how often placements are looked at for drift; 10 s if 0.
	CheckInterval time.Duration
	Now           func() time.Time // time.Now if nil
	Logger        *slog.Logger     // slog.Default if nil
}

// Reconciler makes the desired state true on this node and keeps it true. All
// that is not a helper or configuration is touched only by run.
type Reconciler struct {
	cfg   Config
	log   *slog.Logger
	state *stateDir
	mail  *mailbox[event]
	done  chan struct{} // closed when Run has ended

	reader      *desiredReader
	reporter    *reporter
	turner      *controlsReader
	pending     *pendingKeeper
	demand      *demandPoller
	activator   *activator
	registerNow chan struct{} // refresh this node's record now
	slots       chan struct{} // tokens for work on the disk

	rng     *unit.Rand
	desired desired
	// timetables are those of the desired distributions; minute is the last one of
	// the wall clock at which they were looked at.
	timetables map[string]timetable
	minute     int64
	controls   controls
	here       []api.Hold   // pauses of this node alone
	rates      [2]unit.Rate // down and up, that the swarm was told
	dists      map[string]*dist
	published  map[artifact.Digest]string // path of each published source, opened or not
	opening    map[artifact.Digest]bool   // of these, being opened
	sources    map[artifact.Digest]*source
	notes      map[artifact.Digest]*note
	transfers  map[artifact.Digest]*transfer
	workers    sync.WaitGroup
	lastFull   time.Time // when all statuses were sent last
	said       once.Said // of what is not recorded, by distribution

	shared atomic.Pointer[[]storage.Reader] // set by run, for workers
}

// event is something that happened outside of the loop; apply runs in it.
type event interface{ apply(*Reconciler) }

const (
	defaultCheckInterval = 10 * time.Second
	tickInterval         = 500 * time.Millisecond
	// diskTasks bounds how many tasks read and write content at once; those that
	// wait for peers do not count.
	diskTasks = 4
)

// New returns a reconciler that knows again what the state directory remembers.
func New(cfg Config) (*Reconciler, error) {
	cfg.CheckInterval = cmp.Or(cfg.CheckInterval, defaultCheckInterval)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.LinksChanged == nil {
		cfg.LinksChanged = func() {}
	}
	state, err := openState(cfg.StateDir, cfg.Logger)
	if err != nil {
		return nil, err
	}
	records, err := state.loadRecords()
	if err != nil {
		return nil, err
	}
	r := &Reconciler{
		cfg: cfg, log: cfg.Logger, state: state,
		mail: newMailbox[event](), done: make(chan struct{}),
		registerNow: make(chan struct{}, 1),
		slots:       make(chan struct{}, diskTasks),
		rng:         unit.NewRand(uint64(cfg.Now().UnixNano())),
		dists:       map[string]*dist{},
		published:   map[artifact.Digest]string{},
		opening:     map[artifact.Digest]bool{},
		sources:     map[artifact.Digest]*source{},
		notes:       map[artifact.Digest]*note{},
		transfers:   map[artifact.Digest]*transfer{},
	}
	for name, rec := range records {
		r.dists[name] = recall(rec)
		r.account(r.dists[name])
	}
	r.rates = [2]unit.Rate{cfg.Download, cfg.Upload}
	r.controls, r.here = state.loadControls(), state.loadHere()
	for _, rec := range state.loadSources() {
		r.published[rec.Digest] = rec.Path
	}
	r.buildHelpers()
	return r, nil
}

func (r *Reconciler) buildHelpers() {
	node, loc := unit.NodeID(r.cfg.Self.Name), unit.Location(r.cfg.Self.Location)
	r.reporter = newReporter(r.cfg.Store, r.log)
	r.pending = newPendingKeeper(r.cfg.Store, node, loc, r.log)
	r.reader = &desiredReader{store: r.cfg.Store, node: r.cfg.Self, send: r.mail.put,
		rng: unit.NewRand(r.rng.Uint64()), wake: make(chan struct{}, 1)}
	r.turner = &controlsReader{store: r.cfg.Store, send: r.mail.put, rng: unit.NewRand(r.rng.Uint64()), wake: make(chan struct{}, 1)}
	r.activator = &activator{store: r.cfg.Store, self: r.cfg.Self.Name, log: r.log, rng: unit.NewRand(r.rng.Uint64())}
	r.demand = &demandPoller{store: r.cfg.Store, self: node, send: r.mail.put, log: r.log,
		rng: unit.NewRand(r.rng.Uint64()), held: map[artifact.Digest]*heldArtifact{}, wake: make(chan struct{}, 1)}
}

// Run reconciles until ctx ends. It returns after every task has stopped and the
// last statuses were written, or could not be; all that is unfinished goes on
// after a restart. It must be called once.
func (r *Reconciler) Run(ctx context.Context) error {
	defer close(r.done)
	watcher := r.cfg.Store.Watch(ctx)
	stopHelpers := r.startHelpers(ctx)
	defer stopHelpers()
	defer r.stop()
	r.recallAll(ctx)
	tick := time.NewTicker(min(tickInterval, r.cfg.CheckInterval))
	defer tick.Stop()
	notices := r.pumpNotices(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev, ok := <-watcher.Events():
			r.handleStore(ev, ok && ctx.Err() == nil)
		case <-notices.ready:
			r.handleNotices(notices.take())
		case <-r.mail.ready:
			r.handleMail(r.mail.take())
		case <-tick.C:
			r.handleTick(ctx)
		}
		r.advance(ctx)
	}
}

// pumpNotices reads the swarm's notices without ever making it wait for the
// loop, which may be calling it at that moment.
func (r *Reconciler) pumpNotices(ctx context.Context) *mailbox[swarmapi.Notice] {
	box := newMailbox[swarmapi.Notice]()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case n, ok := <-r.cfg.Swarm.Notices():
				if !ok {
					return
				}
				box.put(n)
			}
		}
	}()
	return box
}

// startHelpers returns a function that ends and awaits them. They outlive the
// loop, to write what it says last.
func (r *Reconciler) startHelpers(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	for _, run := range []func(context.Context){r.register, r.turner.run, r.reader.run, r.reporter.run, r.pending.run, r.demand.run, r.activator.run, r.collectNowAndThen} {
		wg.Go(func() { run(ctx) })
	}
	return func() { cancel(); wg.Wait() }
}

// stop ends all tasks and closes what they left open.
func (r *Reconciler) stop() {
	for _, x := range r.dists {
		if x.worker != nil {
			x.worker.cancel()
		}
	}
	r.workers.Wait()
	r.handleMail(r.mail.take())
	for _, t := range r.sortedTransfers() {
		r.leave(t.digest)
	}
	for _, x := range r.sortedDists() {
		r.closeStaged(x)
		r.closePlacement(x)
	}
	for _, s := range r.sources {
		r.closeSource(s)
	}
}

func (r *Reconciler) handleStore(ev store.Event, ok bool) {
	if !ok {
		return
	}
	switch ev := ev.(type) {
	case store.DistributionsChanged:
		r.reader.kick()
	case store.ControlsChanged:
		r.turner.kick()
	case store.LinksChanged:
		r.cfg.LinksChanged()
	case store.Demand:
		r.demand.ask(&ev.Digest)
	case store.Down:
		r.log.Warn("the store is unreachable; data under way flows on, changes wait", "error", ev.Err)
	case store.Up:
		r.handleUp()
	}
}

// handleUp reads and says everything again: changes were missed, and what the
// store held may be lost.
func (r *Reconciler) handleUp() {
	r.log.Info("the store is reachable")
	r.turner.kick()
	r.reader.kick()
	r.cfg.LinksChanged()
	r.demand.ask(nil)
	r.pending.refresh()
	r.reportAll()
	select {
	case r.registerNow <- struct{}{}:
	default:
	}
}

func (r *Reconciler) handleNotices(list []swarmapi.Notice) {
	for _, n := range list {
		r.handleNotice(n)
	}
}

func (r *Reconciler) handleMail(list []event) {
	for _, e := range list {
		e.apply(r)
	}
}

// handleTick looks at what changes without telling: traffic, content that was
// found changed while it was read, and time.
func (r *Reconciler) handleTick(ctx context.Context) {
	r.turnWindows()
	r.reportTraffic()
	r.withdrawLost()
	r.checkSources(ctx)
	r.noteTroubles(ctx)
	if r.cfg.Now().Sub(r.lastFull) >= resyncInterval {
		r.reportAll()
		r.openSources()
		r.noteAgain()
	}
}

// desiredRead is a reading of the desired state, or why there is none.
type desiredRead struct {
	desired desired
	err     error
}

func (e desiredRead) apply(r *Reconciler) {
	if e.err != nil {
		r.log.Debug("desired state is not read; what was read last goes on", "error", e.err)
		return
	}
	if before := r.desired.Store; before != "" && before != e.desired.Store {
		r.log.Warn("the store is another one, or lost its data; what it says nothing of is kept as it is", "distributions", len(e.desired.Distributions))
	}
	if !reflect.DeepEqual(r.desired, e.desired) {
		r.setDesired(e.desired)
		if err := r.state.saveDesired(e.desired); err != nil {
			r.log.Error("desired state is not kept for a restart", "error", err)
		}
	}
	r.controlsMoved()
}

func (r *Reconciler) setDesired(d desired) {
	r.desired, r.timetables = d, timetables(d.Distributions, r.log)
}

// recallAll begins with what was known before the restart, as the store may be
// down.
func (r *Reconciler) recallAll(ctx context.Context) {
	r.openSources()
	if d, ok := r.state.loadDesired(); ok {
		r.setDesired(d)
		r.controlsMoved()
		r.advance(ctx)
	}
}

func (r *Reconciler) sortedDists() []*dist {
	return slices.SortedFunc(maps.Values(r.dists), func(a, b *dist) int { return cmp.Compare(a.name, b.name) })
}

func (r *Reconciler) manifestSize(d artifact.Digest) int64 {
	return r.desired.Artifacts[d.String()].ManifestSize
}

// ErrStopped says that the reconciler does not run any more.
var ErrStopped = fmt.Errorf("the reconciler has stopped")
