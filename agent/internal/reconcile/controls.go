package reconcile

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
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

// ceiling is a rate, and what sets it.
type ceiling struct {
	rate unit.Rate
	by   string
}

func (c *ceiling) lower(rate unit.Rate, by string) {
	if rate < c.rate {
		c.rate, c.by = rate, by
	}
}

// ceilings are those of both directions.
type ceilings struct{ down, up ceiling }

func (c *ceilings) apply(l api.Limit) {
	down, up := l.Rates()
	by := fmt.Sprintf("limit %q, set by %s on %s", l.Name, l.By, l.From)
	c.down.lower(down, by)
	c.up.lower(up, by)
}

// nodeCeilings bound all transfers of this node together.
func (r *Reconciler) nodeCeilings() ceilings {
	c := ceilings{ceiling{r.cfg.Download, "limits.download of its agent.yaml"}, ceiling{r.cfg.Upload, "limits.upload of its agent.yaml"}}
	for _, l := range r.controls.Limits {
		if l.Distribution == "" && l.Selector.Matches(r.cfg.Self) {
			c.apply(l)
		}
	}
	return c
}

// transferCeilings bound one transfer: by the limits of all distributions that want
// the artifact.
func (r *Reconciler) transferCeilings(d artifact.Digest) ceilings {
	c := ceilings{ceiling{rate: unit.Unlimited}, ceiling{rate: unit.Unlimited}}
	for _, l := range r.controls.Limits {
		wants := func(dist api.Distribution) bool { return l.Bounds(dist) && dist.Digest == d.String() }
		if l.Selector.Matches(r.cfg.Self) && slices.ContainsFunc(r.desired.Distributions, wants) {
			c.apply(l)
		}
	}
	return c
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
	c := r.transferCeilings(t.digest)
	rates := [2]unit.Rate{c.down.rate, c.up.rate}
	receive, send := r.closed(t)
	if receive {
		rates[0] = 0
	}
	if send {
		rates[1] = 0
	}
	if rates != t.rates {
		t.rates = rates
		r.cfg.Swarm.Limit(t.digest, rates[0], rates[1])
		r.log.Info("limits of a transfer changed", "digest", t.digest, "download", rates[0], "upload", rates[1])
	}
}

// stopped reports that an operator stopped what the node would fetch.
func (r *Reconciler) stopped(x *dist, t Stopped) {
	if s := &x.rec.Status; s.Phase != api.PhasePending || s.Generation != t.Generation {
		r.setPending(x)
		r.phase(x, api.PhasePending)
		r.save(x)
	}
}
