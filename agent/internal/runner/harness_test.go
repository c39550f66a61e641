package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/store/storetest"
)

// patience is how long a condition may take before the test fails. Nothing is
// expected to come near.
const patience = 30 * time.Second

// quick is a pace for tests; the order of the times is that of usual.
var quick = pace{
	lease: 2 * time.Second, compete: 50 * time.Millisecond, turn: 100 * time.Millisecond, rest: time.Millisecond,
	resync: 200 * time.Millisecond, retry: 50 * time.Millisecond, schedules: 50 * time.Millisecond, tidy: 50 * time.Millisecond,
}

// backend is a store that keeps what it is told over an outage.
type backend struct {
	url           string
	kill, restart func()
}

// eachStore runs a test with an embedded store and with Redis.
func eachStore(t *testing.T, test func(*testing.T, *fleetOf)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, newFleet(t, embedded(t)))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		r := storetest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
		test(t, newFleet(t, backend{r.URL, r.Kill, r.Restart}))
	})
}

// addresses counts stores, to give each a loopback address of its own: one that
// is stopped and started finds its port free.
var addresses atomic.Uint32

func embedded(t *testing.T) backend {
	cfg := store.EmbeddedConfig{Listen: fmt.Sprintf("127.2.0.%d:0", addresses.Add(1)%250+1),
		StateFile: filepath.Join(t.TempDir(), "store"), Logger: slog.New(slog.DiscardHandler)}
	var e *store.Embedded
	begin := func() {
		var err error
		if e, err = store.StartEmbedded(cfg); err != nil {
			t.Error(err)
		}
	}
	begin()
	cfg.Listen = e.Addr()
	t.Cleanup(func() { e.Close() })
	return backend{"redis://" + e.Addr(), func() { e.Close() }, begin}
}

// fleetOf is a store with nodes that do their parts at once, where they are not
// held.
type fleetOf struct {
	*testing.T
	backend
	ctx   context.Context
	store *store.Store
	nodes []string
	woken chan struct{}

	mu   sync.Mutex
	held map[string]bool // "node goal" that is not reached; guarded by mu
	led  []string        // who led, as it changed; guarded by mu
	log  []string        // goals that nodes saw first, as "node goal"; guarded by mu
}

func newFleet(t *testing.T, b backend) *fleetOf {
	f := &fleetOf{T: t, backend: b, ctx: t.Context(), woken: make(chan struct{}, 1), held: map[string]bool{}, nodes: []string{"db1", "db2", "db3", "keep1", "keep2"}}
	f.store = f.connect()
	f.must(f.register(f.ctx))
	ctx, cancel := context.WithCancel(context.Background())
	var live sync.WaitGroup
	live.Go(func() { f.live(ctx) })
	t.Cleanup(func() { cancel(); live.Wait() })
	return f
}

// register tells the store that the nodes are there.
func (f *fleetOf) register(ctx context.Context) error {
	for i, name := range f.nodes {
		n := api.Node{Name: name, Location: fmt.Sprintf("ams1/r%d", i), DataAddr: "127.0.0.1:1", LastSeen: time.Now()}
		if strings.HasPrefix(name, "db") {
			n.Databases = map[string]string{"main": "postgres"}
		}
		if err := f.store.PutNode(ctx, n, time.Hour); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleetOf) connect() *store.Store {
	f.Helper()
	s, err := store.Open(context.Background(), store.Config{URL: f.url})
	f.must(err)
	f.Cleanup(s.Close)
	return s
}

func (f *fleetOf) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// eventually waits until what is so.
func (f *fleetOf) eventually(what string, ok func() bool) {
	f.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			runs, _ := f.store.Runs(f.ctx)
			f.Fatalf("never: %s\nruns: %+v", what, runs)
		}
	}
}

// hold keeps a node from reaching a goal until the result is called.
func (f *fleetOf) hold(node string, goal api.PartGoal) (release func()) {
	key := node + " " + string(goal)
	set := func(held bool) {
		f.mu.Lock()
		f.held[key] = held
		f.mu.Unlock()
		kick(f.woken)
	}
	set(true)
	return func() { set(false) }
}

// saw reports whether a node was told a goal.
func (f *fleetOf) saw(node string, goal api.PartGoal) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.log, node+" "+string(goal))
}

// live is what the nodes do.
func (f *fleetOf) live(ctx context.Context) {
	w := f.store.Watch(ctx)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-w.Events():
			if _, up := ev.(store.Up); up {
				_ = f.register(ctx) // as agents do
			}
		case <-f.woken:
		case <-tick.C:
		}
		if err := f.act(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnreachable) && !errors.Is(err, store.ErrNotFound) {
			f.Errorf("nodes: %v", err)
			return
		}
	}
}

func (f *fleetOf) act(ctx context.Context) error {
	runs, err := f.store.Runs(ctx)
	if err != nil {
		return err
	}
	for _, r := range runs {
		r, err := f.store.Run(ctx, r.ID)
		if err != nil {
			return err
		}
		f.mu.Lock()
		if r.Runner != "" && (len(f.led) == 0 || f.led[len(f.led)-1] != r.Runner) {
			f.led = append(f.led, r.Runner)
		}
		f.mu.Unlock()
		parts := slices.Clone(r.Members)
		if r.Source != nil {
			parts = append(parts, *r.Source)
		}
		for _, p := range parts {
			if err := f.part(ctx, r, p); err != nil {
				return err
			}
		}
	}
	return f.distributions(ctx)
}

// part has a node reach its goal, and report.
func (f *fleetOf) part(ctx context.Context, r api.Run, p api.RunPart) error {
	key := p.Node + " " + string(p.Goal)
	f.mu.Lock()
	if !slices.Contains(f.log, key) {
		f.log = append(f.log, key)
	}
	held := f.held[key]
	f.mu.Unlock()
	next := p.Report
	next.Node = p.Node
	switch p.Goal {
	case api.GoalProbe:
		next.State = api.PartProbed
		next.Probe = &api.DatabaseState{Driver: "postgres", Kind: api.DatabaseReplica, Version: "15", ProgramVersion: "15.1",
			DataDir: "/srv/pg/data", DataBytes: 1000, FreeBytes: 1 << 40, Owner: "postgres", Group: "postgres"}
	case api.GoalCapture:
		next.State, next.Digest, next.Size, next.TakenAt = api.PartCaptured, digestOf(r.ID), 1000, time.Unix(1000, 0).UTC()
		next.Content = &api.BackupContent{Driver: "postgres", Engine: "PostgreSQL", Version: "15", DataBytes: 1000}
		if p.Report.State != next.State && !held {
			if err := f.store.PutArtifact(ctx, api.Artifact{Digest: next.Digest, Name: r.ID, Kind: "tree", SizeBytes: 1000, Seeds: []string{p.Node}}); err != nil {
				return err
			}
		}
	case api.GoalReady:
		next.State = api.PartConfigured
	case api.GoalSwitch:
		next.State = api.PartHealthy
	case api.GoalCommit:
		next.State = api.PartCommitted
	case api.GoalRevert:
		next.State = api.PartRolledBack
	case api.GoalEnd:
		if !next.State.Final() {
			next.State = api.PartEnded
		}
		next.Done = true
	}
	if held || p.Goal == "" || next.State == p.Report.State && next.Done == p.Report.Done {
		return nil
	}
	return f.store.PutPartReport(ctx, r.ID, next)
}

// distributions has the nodes do what distributions want of them.
func (f *fleetOf) distributions(ctx context.Context) error {
	all, err := f.store.Distributions(ctx)
	if err != nil {
		return err
	}
	for _, d := range all {
		for _, node := range d.Selector.NodeNames {
			st := api.NodeStatus{Node: node, Generation: d.Generation, Phase: api.PhaseInstalled, Digest: d.Digest, Installed: d.Digest}
			if d.State == api.StateAbsent {
				st = api.NodeStatus{Node: node, Generation: d.Generation, Phase: api.PhaseRemoved}
			}
			if err := f.store.PutStatus(ctx, d.Name, st); err != nil {
				return err
			}
		}
		if err := f.store.AnnounceStatus(ctx, d.Name); err != nil {
			return err
		}
	}
	return nil
}

func digestOf(run string) string {
	return "sha256:" + fmt.Sprintf("%064x", []byte(run)[:min(len(run), 32)])[:64]
}

// agent is a runner of a node, with a connection of its own.
type agent struct {
	*Runner
	f     *fleetOf
	store *store.Store
	end   context.CancelFunc
	ended chan struct{}
}

// agent starts a node's runner. Its clock is now, or the real one.
func (f *fleetOf) agent(name string, now func() time.Time) *agent {
	f.Helper()
	a := f.idle(name, now)
	a.begin()
	return a
}

// idle is an agent that leads nothing.
func (f *fleetOf) idle(name string, now func() time.Time) *agent {
	f.Helper()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", name)
	}
	a := &agent{f: f, store: f.connect()}
	var databases []string
	if strings.HasPrefix(name, "db") {
		databases = []string{"main"}
	}
	a.Runner = New(Config{Self: name, Store: a.store, Databases: databases, Now: now, Logger: log})
	a.pace = quick
	return a
}

func (a *agent) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	a.end, a.ended = cancel, make(chan struct{})
	go func() {
		defer close(a.ended)
		a.Run(ctx)
	}()
	a.f.Cleanup(a.stop)
}

func (a *agent) stop() {
	a.end()
	<-a.ended
}

// kill ends the agent without a word to the store: its leases stand.
func (a *agent) kill() {
	a.store.Close()
	a.stop()
}

// run returns the record of a run.
func (f *fleetOf) run(id string) api.Run {
	f.Helper()
	r, err := f.store.Run(f.ctx, id)
	f.must(err)
	return r
}

// awaitPhase waits until the run is there.
func (f *fleetOf) awaitPhase(id string, phase api.RunPhase) api.Run {
	f.Helper()
	var r api.Run
	f.eventually(fmt.Sprintf("run %s is %s", id, phase), func() bool {
		var err error
		r, err = f.store.Run(f.ctx, id)
		return err == nil && r.Phase == phase
	})
	return r
}

// backup is a request for a backup of db1 on two nodes.
func backup() api.RunRequest {
	return api.RunRequest{Database: "main", Source: "db1", Copies: &api.Copies{Count: 2, Path: "/srv/backups", Selector: api.Selector{NodeNames: []string{"keep1", "keep2"}}}}
}

// seed is a request to make db2 and db3 from db1.
func seed() api.RunRequest {
	return api.RunRequest{Database: "main", Source: "db1",
		Restore: &api.Restore{As: api.AsStandalone, Force: true, Selector: api.Selector{NodeNames: []string{"db2", "db3"}}}}
}
