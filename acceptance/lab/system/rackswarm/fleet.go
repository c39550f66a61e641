package rackswarm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Options are what a fleet is made of.
type Options struct {
	// Program is the file of rackswarm. It has to be built with the tag faults if
	// the scenario has a node that sends wrong bytes.
	Program  string
	Network  *network.Network
	Scenario *scenario.Scenario
	Strategy scenario.Strategy
	// Static limits every node to its share of the links that it uses.
	Static bool
	// Aware has the agents leave room for others, as the scenario says.
	Aware bool
	// Dir is for all files. Sockets are in it, so its path has to be short.
	Dir string
	// Source is the artifact, a file or a directory, which is only read.
	Source string
}

const (
	// content is the name of the artifact and of its distribution.
	content = "artifact"
	// label is what the distribution selects by: receivers have it.
	label = "lab"
	// upTimeout is how long all agents may take to come up.
	upTimeout = 2 * time.Minute
	// stopTimeout is how long an agent may take to end.
	stopTimeout = 30 * time.Second
)

// Fleet is the agents of a scenario. It is a system.System.
//
// The distribution selects by a label, which receivers have. Those that join
// later are started then: their time includes the start of the program, some
// tenths of a second.
type Fleet struct {
	opts   Options
	agents map[unit.NodeID]*agent
	order  []*agent // as in the scenario
	store  store
	// further are what is distributed beside the artifact, by time.
	further []*further
	zero    time.Time // when the distribution was accepted

	counting sync.WaitGroup
	stop     context.CancelFunc // ends counting
	showing  sync.WaitGroup
	hide     context.CancelFunc // ends showing
}

var _ system.System = (*Fleet)(nil)

// New prepares a fleet. Nothing runs yet.
func New(o Options) (*Fleet, error) {
	if _, err := os.Stat(o.Program); err != nil {
		return nil, fmt.Errorf("rackswarm %w: %w; run make build", system.ErrMissing, err)
	}
	if o.Scenario.Store == scenario.RedisTLS && !o.Scenario.TLS {
		return nil, errors.New("store redis-tls: agents have no certificates for it; set security.tls: true, or store: redis")
	}
	f := &Fleet{opts: o, agents: map[unit.NodeID]*agent{}, stop: func() {}, hide: func() {}}
	f.addAgents()
	var err error
	f.store, err = f.newStore()
	return f, err
}

// addAgents adds the hosts that take part.
func (f *Fleet) addAgents() {
	s := f.opts.Scenario
	names := names{}
	roles := map[unit.NodeID]role{}
	for _, n := range s.Initial {
		roles[n] = seeder
	}
	for i, n := range s.Receivers {
		roles[n] = receiver
		if s.Join[i] > 0 {
			roles[n] = late
		}
	}
	limits := f.limits()
	for _, h := range s.Hosts {
		if roles[h.Node] == idle {
			continue
		}
		a := &agent{
			fleet: f, host: f.opts.Network.Host(h.Node), name: names.of(h.Node), location: h.Location,
			role: roles[h.Node], dir: filepath.Join(f.opts.Dir, fmt.Sprint(len(f.order)+1)),
			link: h.Link, limit: limits[h.Node],
		}
		f.agents[h.Node], f.order = a, append(f.order, a)
	}
}

// names gives nodes names that agents may have, which contain no slash.
type names map[string]bool

func (n names) of(node unit.NodeID) string {
	name := strings.ReplaceAll(string(node), "/", ".")
	for n[name] {
		name += "_"
	}
	n[name] = true
	return name
}

// Start brings up the store and the agents, and publishes on the initial seeders.
func (f *Fleet) Start(ctx context.Context) error {
	// A distribution has one path on all nodes: the root leads each process into
	// its own working directory.
	if err := os.Symlink("/proc/self/cwd", f.root()); err != nil {
		return err
	}
	if err := errors.Join(f.makePKI(ctx), f.writeCommunity(), f.writeFurther()); err != nil {
		return err
	}
	if err := f.store.start(ctx); err != nil {
		return fmt.Errorf("start the store: %w", err)
	}
	for _, a := range f.order {
		if err := a.prepare(); err != nil {
			return err
		}
	}
	showing, hide := context.WithCancel(context.WithoutCancel(ctx))
	f.hide = hide
	f.showing.Go(func() { f.showUse(showing) })
	for _, a := range f.order {
		if a.role == late {
			continue
		}
		if err := a.start(); err != nil {
			return err
		}
	}
	if err := f.waitAlive(ctx); err != nil {
		return err
	}
	return f.publish(ctx)
}

func (f *Fleet) file(name string) string { return filepath.Join(f.opts.Dir, name) }

func (f *Fleet) root() string { return f.file("srv") }

// waitAlive waits until the first agent knows all that were started.
func (f *Fleet) waitAlive(ctx context.Context) error {
	return wait.Until(ctx, upTimeout, "all agents are registered", func() error {
		if err := f.ended(); err != nil {
			return wait.Stop{Err: err}
		}
		nodes, err := f.seeders()[0].client.Nodes(ctx)
		if err != nil {
			return err // it starts
		}
		return f.missing(nodes)
	})
}

// ended names an agent that ended without being asked to.
func (f *Fleet) ended() error {
	for _, a := range f.order {
		if err := a.failed(); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fleet) missing(nodes []api.Node) error {
	alive := map[string]bool{}
	for _, n := range nodes {
		alive[n.Name] = n.Alive
	}
	for _, a := range f.order {
		if a.role != late && !alive[a.name] {
			return fmt.Errorf("%s is not registered", a.name)
		}
	}
	return nil
}

// seeders are the agents of the initial seeders, in the scenario's order.
func (f *Fleet) seeders() []*agent {
	var all []*agent
	for _, n := range f.opts.Scenario.Initial {
		all = append(all, f.agents[n])
	}
	return all
}

// publish has every initial seeder serve the source in place.
func (f *Fleet) publish(ctx context.Context) error {
	request := api.PublishRequest{Source: f.opts.Source, Name: content, PieceSize: int64(f.opts.Scenario.Artifact.Piece)}
	for _, a := range f.seeders() {
		published, err := a.client.Publish(ctx, request, nil)
		if err != nil {
			return a.explain(fmt.Errorf("publish: %w", err))
		}
		a.digest = published.Digest
	}
	return nil
}

// Distribute makes the distribution.
func (f *Fleet) Distribute(ctx context.Context) error {
	first := f.seeders()[0]
	d := f.distribution(content, first.digest, f.opts.Scenario.Priority)
	var err error
	if d.Windows, err = f.beforeMinute(ctx); err != nil {
		return err
	}
	if _, err = first.client.PutDistribution(ctx, d); err != nil {
		return first.explain(err)
	}
	f.zero = time.Now()
	counting, stop := context.WithCancel(context.WithoutCancel(ctx))
	f.stop = stop
	f.counting.Go(func() { f.count(counting) })
	f.counting.Go(func() { f.store.watch(counting) })
	f.counting.Go(func() { f.followFurther(counting) })
	return nil
}

// Join starts the agent of a receiver.
func (f *Fleet) Join(_ context.Context, node unit.NodeID) error { return f.agents[node].start() }

// State looks whether the content is in its place.
func (f *Fleet) State(node unit.NodeID) system.State {
	a := f.agents[node]
	if a == nil {
		return system.State{}
	}
	return a.state()
}

// Processes are all that ran on the host, ended ones too.
func (f *Fleet) Processes(node unit.NodeID) []*child.Process {
	a := f.agents[node]
	if a == nil {
		return nil
	}
	return a.processes()
}

// Path is where the content is on a receiver.
func (f *Fleet) Path(node unit.NodeID) string { return f.agents[node].path() }

// Close ends the agents and the store. The files go with the run's directory.
func (f *Fleet) Close() error {
	f.stop()
	f.counting.Wait()
	f.hide()
	f.showing.Wait()
	err := f.end(syscall.SIGKILL)
	for _, a := range f.order {
		err = errors.Join(err, a.giveBack())
	}
	if f.store != nil {
		err = errors.Join(err, f.store.close())
	}
	return err
}

// end ends all agents at a time.
func (f *Fleet) end(ask syscall.Signal) error {
	errs := make([]error, len(f.order))
	var all sync.WaitGroup
	for i, a := range f.order {
		all.Go(func() { errs[i] = a.end(ask) })
	}
	all.Wait()
	return errors.Join(errs...)
}
