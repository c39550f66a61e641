package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// inLoop is something that is asked of the loop from outside.
type inLoop func(*Reconciler)

func (f inLoop) apply(r *Reconciler) { f(r) }

// answer is what f returned that the loop was asked to execute.
type answer[T any] struct {
	value T
	err   error
}

// ask has the loop execute f, and waits for what it returns, as long as ctx lasts and
// the loop runs. What the loop comes to after ctx has ended it leaves.
func ask[T any](ctx context.Context, r *Reconciler, f func() (T, error)) (T, error) {
	answers := make(chan answer[T], 1) // so that the loop never waits for who has gone
	r.mail.put(inLoop(func(*Reconciler) {
		if ctx.Err() == nil {
			v, err := f()
			answers <- answer[T]{v, err}
		}
	}))
	var none T
	select {
	case a := <-answers:
		return a.value, a.err
	case <-r.done:
		return none, ErrStopped
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// PauseHere pauses a distribution, or all for "", on this node alone, until
// ResumeHere, also over a restart. It needs no store. By, From and At of the hold are
// given; the hold that stands is returned.
func (r *Reconciler) PauseHere(ctx context.Context, h api.Hold) (api.Hold, error) {
	h.Kind, h.Node, h.All = api.HoldPause, r.cfg.Self.Name, h.Distribution == ""
	stands, err := ask(ctx, r, func() (api.Hold, error) { return r.pauseHere(h) })
	if err != nil {
		return api.Hold{}, fmt.Errorf("pause this node: %w", err)
	}
	return stands, nil
}

func (r *Reconciler) pauseHere(h api.Hold) (api.Hold, error) {
	if h.Distribution != "" {
		d := r.known(h.Distribution)
		if d == nil {
			return h, &api.Error{Code: api.CodeNotFound, Subject: h.Distribution, Message: "this node knows no such distribution", Fix: "see 'rackswarm status' for the names"}
		}
		h.Created, h.Generation = d.CreatedAt, d.Generation
	}
	here := slices.DeleteFunc(slices.Clone(r.here), func(old api.Hold) bool { return old.Key() == h.Key() })
	return h, r.setHere(append(here, h))
}

// ResumeHere ends pauses of this node alone: that of a distribution, or for "" that of
// all. It returns them.
func (r *Reconciler) ResumeHere(ctx context.Context, distribution string) ([]api.Hold, error) {
	ended, err := ask(ctx, r, func() ([]api.Hold, error) { return r.resumeHere(distribution) })
	if err != nil {
		return nil, fmt.Errorf("resume this node: %w", err)
	}
	return ended, nil
}

func (r *Reconciler) resumeHere(distribution string) (ended []api.Hold, err error) {
	var left []api.Hold
	for _, h := range r.here {
		if h.Distribution == distribution {
			ended = append(ended, h)
		} else {
			left = append(left, h)
		}
	}
	if len(ended) == 0 {
		return nil, nil
	}
	return ended, r.setHere(left)
}

func (r *Reconciler) setHere(holds []api.Hold) error {
	if err := r.state.saveHere(holds); err != nil {
		return err
	}
	r.here = holds
	r.controlsMoved()
	return nil
}

// OperatorHolds are the holds that this node knows: those of the fleet as it read them last,
// and its own.
func (r *Reconciler) OperatorHolds(ctx context.Context) ([]api.Hold, error) {
	all, err := ask(ctx, r, func() ([]api.Hold, error) { return r.holds(), nil })
	if err != nil {
		return nil, fmt.Errorf("ask what is held: %w", err)
	}
	return all, nil
}

// Report is what this node says of a distribution now, without the store; false if it
// knows none of that name, or is no target of it, or cannot say before ctx ends.
func (r *Reconciler) Report(ctx context.Context, name string) (d api.Distribution, st api.NodeStatus, ok bool) {
	type report struct {
		d  api.Distribution
		st api.NodeStatus
	}
	said, err := ask(ctx, r, func() (*report, error) {
		known, x := r.known(name), r.dists[name]
		if known == nil || x == nil {
			return nil, nil //nolint:nilnil // it knows none
		}
		return &report{*known, clone(&x.rec.Status)}, nil
	})
	if err != nil || said == nil {
		return d, st, false
	}
	return said.d, said.st, true
}

// known is a distribution as it was read last.
func (r *Reconciler) known(name string) *api.Distribution {
	for i := range r.desired.Distributions {
		if r.desired.Distributions[i].Name == name {
			return &r.desired.Distributions[i]
		}
	}
	return nil
}
