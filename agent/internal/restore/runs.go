package restore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

const (
	// resyncInterval is how often all runs are read without a reason, in case one
	// was not heard of; retryInterval how soon after the store did not answer.
	resyncInterval = 30 * time.Second
	retryInterval  = 2 * time.Second
	storeTimeout   = 5 * time.Second
	// goneAfter is how long a run must be missing from a store that answers until
	// its parts end: a store that lost its records may get them back.
	goneAfter = 10 * time.Minute
)

// follow reads the runs of the store when they change, and tells the parts.
func (w *Worker) follow(ctx, hard context.Context) {
	watcher := w.cfg.Store.Watch(ctx)
	wait := time.NewTimer(resyncInterval)
	defer wait.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-watcher.Events():
			if !ok {
				return
			}
			err = w.handle(ctx, hard, ev)
		case <-wait.C:
			err = w.lookAll(ctx, hard)
		}
		switch {
		case err == nil:
			wait.Reset(resyncInterval)
		case ctx.Err() == nil:
			w.cfg.Logger.Debug("runs are not read; trying again", "error", err)
			wait.Reset(retryInterval)
		}
	}
}

func (w *Worker) handle(ctx, hard context.Context, ev store.Event) error {
	switch ev := ev.(type) {
	case store.RunMoved:
		w.mu.Lock()
		delete(w.settled, ev.Run) // it may be another one of that ID
		w.mu.Unlock()
		return w.look(ctx, hard, ev.Run)
	case store.Up:
		return w.lookAll(ctx, hard)
	}
	return nil
}

// lookAll looks at each run in which this node has something to do.
func (w *Worker) lookAll(ctx, hard context.Context) error {
	listing, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	runs, err := w.cfg.Store.Runs(listing)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, r := range runs {
		there[r.ID] = true
	}
	w.mu.Lock()
	maps.DeleteFunc(w.settled, func(run string, _ bool) bool { return !there[run] })
	missing := slices.DeleteFunc(slices.Collect(maps.Keys(w.parts)), func(run string) bool { return there[run] })
	w.mu.Unlock()
	for _, run := range missing {
		err = errors.Join(err, w.look(ctx, hard, run))
	}
	for _, r := range runs {
		if _, has := partOf(r, w.cfg.Self); has {
			err = errors.Join(err, w.look(ctx, hard, r.ID))
		}
	}
	return err
}

// look reads a run, and begins this node's part or tells it.
func (w *Worker) look(ctx, hard context.Context, id string) error {
	p, settled := w.part(id)
	if settled {
		return nil
	}
	reading, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	r, err := w.cfg.Store.Run(reading, id)
	gone := errors.Is(err, store.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	mine, has := partOf(r, w.cfg.Self)
	identity := ""
	if p != nil {
		if identity, err = w.cfg.Store.Identity(reading); err != nil {
			return err
		}
	}
	switch {
	case p != nil && has:
		p.update(r, mine, identity)
	case p != nil:
		p.missing(identity) // or the run of that ID is another one now
	case has:
		if p := w.begin(r, mine); p != nil {
			w.start(ctx, hard, p)
		}
	}
	return nil
}

// partOf finds a node's part in a run.
func partOf(r api.Run, node string) (api.RunPart, bool) {
	if r.Source != nil && r.Source.Node == node {
		return *r.Source, true
	}
	i := slices.IndexFunc(r.Members, func(m api.RunPart) bool { return m.Node == node })
	if i < 0 {
		return api.RunPart{}, false
	}
	return r.Members[i], true
}
