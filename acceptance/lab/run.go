package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rackswarm/rackswarm/acceptance/lab/content"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/lab/system"
	"github.com/rackswarm/rackswarm/acceptance/lab/traffic"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// pollInterval is how often the lab looks who is complete.
	pollInterval = 20 * time.Millisecond
	// sampleInterval is how often counters are read.
	sampleInterval = time.Second
	// idleTime is how long probes measure before anything is distributed.
	idleTime = 5 * time.Second
	// finishTimeout is how long a system may take to tell what it knows.
	finishTimeout = 2 * time.Minute
)

// errDeadline is why a run ends whose time is up.
var errDeadline = errors.New("the deadline has come")

// round is one run of one system.
type round struct {
	scenario *scenario.Scenario
	system   string
	content  content.Content
	dir      string // made here; short
	bin      string
	say      func(complete int, since time.Duration) // progress

	network *network.Network
	runs    system.System
	traffic *traffic.Traffic
	zero    time.Time // when the distribution was accepted
	samples *samples
	watch   *watch
	devices *devices

	seen scenario.Observed // written by run alone

	mu    sync.Mutex // guards notes
	notes []string
}

// run runs the system, reports what came of it, and leaves nothing behind but the
// directory. An error says that there was no run to speak of.
func (r *round) run(ctx context.Context) (rep scenario.Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		err = errors.Join(err, r.close())
	}()
	if err := r.setUp(ctx); err != nil {
		return rep, err
	}
	if err := r.distribute(ctx); err != nil {
		return rep, err
	}
	r.follow(ctx)
	r.finish(ctx)
	r.verify()
	rep, err = r.scenario.Report(r.system, r.seen)
	if _, ok := r.runs.(*nothing); ok {
		rep.Failed = []scenario.Failure{}
	}
	return rep, err
}

// setUp makes the network and brings the system up.
func (r *round) setUp(ctx context.Context) (err error) {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if r.network, err = network.New(ctx, r.scenario); err != nil {
		return err
	}
	r.runs, err = newSystem(r.system, ground{r.network, r.scenario, r.content.Path, r.dir, r.bin})
	if err != nil {
		return err
	}
	r.traffic = traffic.New(r.network, r.scenario)
	if err := r.startDevices(ctx); err != nil {
		return err
	}
	return r.runs.Start(ctx)
}

// distribute measures the idle network, and gives the word.
func (r *round) distribute(ctx context.Context) error {
	r.devices.start()
	idle := r.beginIdle()
	if err := r.traffic.Idle(ctx, idleTime); err != nil {
		return err
	}
	r.seen.IdleCPU = idle.end()
	r.samples, r.watch = newSamples(r), newWatch(r.scenario)
	if err := r.samples.begin(); err != nil {
		return err
	}
	if err := r.runs.Distribute(ctx); err != nil {
		return fmt.Errorf("distribute: %w", err)
	}
	r.zero = time.Now()
	r.traffic.Begin()
	var err error
	if r.watch.last, err = r.network.Wires(); err != nil {
		return err
	}
	r.seen.Nodes = map[unit.NodeID]scenario.NodeObserved{}
	for _, n := range r.scenario.Initial {
		r.seen.Nodes[n] = scenario.NodeObserved{}
	}
	for _, n := range r.scenario.Receivers {
		r.seen.Nodes[n] = scenario.NodeObserved{}
	}
	return nil
}

// since is how long ago the distribution was accepted.
func (r *round) since() time.Duration { return time.Since(r.zero) }

// follow returns when the run is over: every receiver is complete that is not
// killed for good, or has failed, or time is up, or ctx has ended.
func (r *round) follow(ctx context.Context) {
	ctx, cancel := context.WithDeadlineCause(ctx, r.zero.Add(r.lasts()), errDeadline)
	defer cancel()
	var side sync.WaitGroup
	side.Go(func() { r.guard("joins and faults", func() { r.play(ctx) }) })
	side.Go(func() { r.guard("what is observed", func() { r.observe(ctx) }) })
	r.poll(ctx)
	r.seen.Ended = r.since()
	cancel()
	side.Wait()
}

// lasts is how long a run goes on at most.
func (r *round) lasts() time.Duration {
	if n, ok := r.runs.(*nothing); ok {
		return n.lasts
	}
	return r.scenario.Deadline
}

// guard keeps a panic beside the run from ending the lab.
func (r *round) guard(what string, do func()) {
	defer func() {
		if p := recover(); p != nil {
			r.note("panic in %s: %v\n%s", what, p, debug.Stack())
		}
	}()
	do()
}

// note adds to what is worth knowing of the run.
func (r *round) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// poll looks at the receivers until no more is to come.
func (r *round) poll(ctx context.Context) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for open := r.awaited(); ; {
		r.look(open)
		r.say(r.complete(), r.since())
		if _, endless := r.runs.(*nothing); len(open) == 0 && !endless {
			return
		}
		select {
		case <-ctx.Done():
			r.giveUp(open, context.Cause(ctx))
			return
		case <-tick.C:
		}
	}
}

// awaited are the receivers that the run waits for.
func (r *round) awaited() map[unit.NodeID]bool {
	open, killed := map[unit.NodeID]bool{}, r.scenario.KilledForGood()
	for _, n := range r.scenario.Receivers {
		if !killed[n] {
			open[n] = true
		}
	}
	return open
}

// look takes those out that are complete, or have failed.
func (r *round) look(open map[unit.NodeID]bool) {
	for node := range open {
		st := r.runs.State(node)
		n := r.seen.Nodes[node]
		switch {
		case st.Complete:
			n.Finished, n.Finish = true, st.CompleteAt.Sub(r.zero)
		case st.Failed != nil && !r.comesBack(node):
			n.Failure = st.Failed.Error()
		default:
			continue
		}
		r.seen.Nodes[node] = n
		delete(open, node)
	}
}

// comesBack reports whether the node is still to be started by the scenario.
func (r *round) comesBack(node unit.NodeID) bool {
	for _, f := range r.scenario.Faults {
		// It may take a moment until a start is seen.
		if f.Action == scenario.Start && f.Node == node && r.since() < f.At+time.Second {
			return true
		}
	}
	return false
}

func (r *round) complete() int {
	n := 0
	for _, seen := range r.seen.Nodes {
		if seen.Finished {
			n++
		}
	}
	return n
}

// giveUp notes why receivers are not complete. A deadline needs no words.
func (r *round) giveUp(open map[unit.NodeID]bool, why error) {
	if errors.Is(why, errDeadline) {
		return
	}
	r.note("the run was interrupted after %.1f s", r.since().Seconds())
	for node := range open {
		n := r.seen.Nodes[node]
		n.Failure = "the run was interrupted"
		r.seen.Nodes[node] = n
	}
}

// finish collects what counters, traffic and the system know.
func (r *round) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	r.samples.finish(&r.seen)
	r.seen.Links, r.seen.Devices = r.watch.links, r.devices.report()
	r.traffic.Finish(&r.seen)
	if err := r.runs.Finish(ctx, &r.seen); err != nil {
		r.note("%v", err)
	}
	r.seen.Notes = append(r.notes, r.seen.Notes...)
}

// verify compares what receivers have with what was made, whatever the system
// says of it.
func (r *round) verify() {
	var all errgroup.Group
	all.SetLimit(runtime.NumCPU())
	wrong := make([]error, len(r.scenario.Receivers))
	for i, node := range r.scenario.Receivers {
		if !r.seen.Nodes[node].Finished {
			continue
		}
		all.Go(func() error {
			wrong[i] = r.content.Verify(r.runs.Path(node))
			return nil
		})
	}
	_ = all.Wait() // what is wrong is in wrong
	for i, node := range r.scenario.Receivers {
		n := r.seen.Nodes[node]
		n.SHA256 = n.Finished && wrong[i] == nil
		r.seen.Nodes[node] = n
		if wrong[i] != nil {
			r.seen.Notes = append(r.seen.Notes, fmt.Sprintf("%s: %v", node, wrong[i]))
		}
	}
}

// close ends what runs and removes the network.
func (r *round) close() error {
	var errs []error
	if r.traffic != nil {
		r.traffic.Close()
	}
	if r.runs != nil {
		errs = append(errs, r.runs.Close())
	}
	if r.network != nil {
		errs = append(errs, r.network.Close())
	}
	return errors.Join(errs...)
}
