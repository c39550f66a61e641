package reconcile

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// inLoop is something that is asked of the loop from outside.
type inLoop func(*Reconciler)

func (f inLoop) apply(r *Reconciler) { f(r) }

// ask has the loop execute f and waits; false if it has ended.
func (r *Reconciler) ask(f func()) bool {
	ended := make(chan struct{})
	r.mail.put(inLoop(func(*Reconciler) {
		defer close(ended)
		f()
	}))
	select {
	case <-ended:
		return true
	case <-r.done:
		return false
	}
}

// PauseHere pauses a distribution, or all for "", on this node alone, until
// ResumeHere, also over a restart. It needs no store. By, From and At of the hold are
// given; the hold that stands is returned.
func (r *Reconciler) PauseHere(h api.Hold) (api.Hold, error) {
	h.Kind, h.Node, h.All = api.HoldPause, r.cfg.Self.Name, h.Distribution == ""
	var err error
	if !r.ask(func() { h, err = r.pauseHere(h) }) {
		err = ErrStopped
	}
	return h, err
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
func (r *Reconciler) ResumeHere(distribution string) (ended []api.Hold, err error) {
	if !r.ask(func() {
		left := slices.Clone(r.here)
		left = slices.DeleteFunc(left, func(h api.Hold) bool {
			if h.Distribution == distribution {
				ended = append(ended, h)
			}
			return h.Distribution == distribution
		})
		if len(ended) > 0 {
			err = r.setHere(left)
		}
	}) {
		err = ErrStopped
	}
	return ended, err
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
func (r *Reconciler) OperatorHolds() (all []api.Hold) {
	r.ask(func() { all = r.holds() })
	return all
}

// Report is what this node says of a distribution now, without the store; false if it
// knows none of that name, or is no target of it.
func (r *Reconciler) Report(name string) (d api.Distribution, st api.NodeStatus, ok bool) {
	r.ask(func() {
		known, x := r.known(name), r.dists[name]
		if ok = known != nil && x != nil; ok {
			d, st = *known, clone(&x.rec.Status)
		}
	})
	return d, st, ok
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
