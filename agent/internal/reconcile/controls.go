package reconcile

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// controls are the holds and limits of the fleet as they were read last. They are
// kept for a restart, as the store may be down then.
type controls struct {
	Holds  []api.Hold  `json:"holds"`
	Limits []api.Limit `json:"limits"`
}

// controlsReader reads the controls whenever it is told to, and sends each reading
// to the loop.
type controlsReader struct {
	store *store.Store
	send  func(event)
	rng   *unit.Rand // touched only by run
	wake  chan struct{}
}

// kick asks for a reading now. Kicks that come together are one.
func (c *controlsReader) kick() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *controlsReader) run(ctx context.Context) {
	failures := 0
	for {
		read, err := c.read(ctx)
		wait := resyncInterval + c.rng.Jitter(resyncInterval/10)
		if failures++; err == nil {
			failures = 0
			c.send(controlsRead{read})
		} else {
			wait = retryDelay(failures, nil, c.rng)
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-time.After(wait):
		}
	}
}

func (c *controlsReader) read(ctx context.Context) (read controls, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if read.Holds, err = c.store.Holds(ctx); err != nil {
		return controls{}, fmt.Errorf("read the controls: %w", err)
	}
	if read.Limits, err = c.store.Limits(ctx); err != nil {
		return controls{}, fmt.Errorf("read the controls: %w", err)
	}
	return read, nil
}

// controlsRead is a reading of the controls.
type controlsRead struct{ controls controls }

func (e controlsRead) apply(r *Reconciler) {
	if reflect.DeepEqual(r.controls, e.controls) {
		return
	}
	r.controls = e.controls
	if err := r.state.saveControls(e.controls); err != nil {
		r.log.Error("holds and limits are not kept for a restart", "error", err)
	}
	r.controlsMoved()
}

// controlsMoved makes true what operators ask for now.
func (r *Reconciler) controlsMoved() {
	r.replan()
	r.steer()
	for _, x := range r.sortedDists() {
		if x.rec.Status.Phase != "" && x.wanted != nil && !reflect.DeepEqual(x.rec.Status.Held, r.heldNow(x)) {
			r.report(x, true)
		}
	}
}

// holds are those of the fleet and of this node alone.
func (r *Reconciler) holds() []api.Hold { return slices.Concat(r.controls.Holds, r.here) }

// heldNow is the hold that a distribution's report names: that of a node that has
// what it is to have concerns nobody, unless it is this node's alone.
func (r *Reconciler) heldNow(x *dist) *api.Hold {
	if x.wanted == nil {
		return nil
	}
	h := api.HeldBy(r.holds(), *x.wanted, r.cfg.Self.Name)
	p := x.rec.Status.Phase
	if h != nil && h.Node == "" && (p == api.PhaseInstalled || p == api.PhaseRemoved || p == api.PhaseStaged) {
		return nil
	}
	return h
}

// closed reports whether holds keep a transfer from receiving and from sending here.
// It receives for the distributions of this node that want it, and sends for all:
// one that is not held keeps it open.
func (r *Reconciler) closed(t *transfer) (receive, send bool) {
	holds, any, mine := r.holds(), false, false
	receive, send = true, true
	for _, d := range r.desired.Distributions {
		if d.Digest != t.digest.String() && d.Name != t.owner {
			continue
		}
		held := api.HeldBy(holds, d, r.cfg.Self.Name) != nil
		any, send = true, send && held
		if d.Selector.Matches(r.cfg.Self) {
			mine, receive = true, receive && held
		}
	}
	if !any {
		all := slices.ContainsFunc(holds, func(h api.Hold) bool { return h.Distribution == "" })
		return all, all
	}
	return receive && mine || send, send
}

// steer brings limits and holds to the swarm, where they are others than before.
func (r *Reconciler) steer() {
	c := r.nodeCeilings()
	if rates := [2]unit.Rate{c.down.rate, c.up.rate}; rates != r.rates {
		r.rates = rates
		r.cfg.Swarm.SetRates(rates[0], rates[1])
		r.log.Info("limits of this node changed", "download", rates[0], "upload", rates[1])
	}
	for _, t := range r.sortedTransfers() {
		r.steerOne(t)
	}
}

func (r *Reconciler) steerOne(t *transfer) {
	l := r.limits(t)
	if l == t.limits {
		return
	}
	t.limits = l
	r.cfg.Swarm.Limit(t.digest, l.rank, l.down, l.up)
	r.log.Info("limits of a transfer changed", "digest", t.digest, "priority", l.rank, "download", l.down.Rate, "upload", l.up.Rate)
}

// stopped reports that an operator stopped what the node would fetch.
func (r *Reconciler) stopped(x *dist, t Stopped) {
	if s := &x.rec.Status; s.Phase != api.PhasePending || s.Generation != t.Generation {
		r.setPending(x)
		r.phase(x, api.PhasePending)
		r.save(x)
	}
}
