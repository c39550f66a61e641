package reconcile

import (
	"context"
	"errors"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/core/api"
)

// remove takes away what stands and what was being staged.
func (w *worker) remove(ctx context.Context, out *outcome) error {
	w.progress(api.PhaseRemoving, 0, 0)
	out.gone = true
	return w.eachPlacement(func(d *api.Distribution, p *storage.Placement) error {
		return w.onDisk(ctx, func() error { return w.removeContent(ctx, d, p) })
	})
}

// removeContent removes what stands or is staged for d. What cannot be opened
// was never begun, if it does not stand.
func (w *worker) removeContent(ctx context.Context, d *api.Distribution, p *storage.Placement) error {
	err := w.with(d, p, func(p *storage.Placement) error { return p.Remove(ctx) })
	var closed *unopenedError
	switch {
	case !errors.As(err, &closed):
		return err
	case d != w.rec.Standing:
		return nil
	case isNotFound(err):
		return &api.Error{Code: api.CodeNotFound, Subject: d.Path,
			Message: "the content is not removed: its manifest is lost, so this node cannot tell which files it put there",
			Fix:     "remove the path by hand"}
	}
	return closed.err
}

// forget leaves what stands where it is and clears what was being staged.
func (w *worker) forget(ctx context.Context, out *outcome) error {
	out.gone = true
	return w.eachPlacement(func(d *api.Distribution, p *storage.Placement) error {
		return w.onDisk(ctx, func() error {
			return w.release(ctx, d, p)
		})
	})
}

// release lets go of what stands or is staged for d, if it can be opened.
func (w *worker) release(ctx context.Context, d *api.Distribution, p *storage.Placement) error {
	err := w.with(d, p, func(p *storage.Placement) error { return p.Release(ctx) })
	var closed *unopenedError
	if errors.As(err, &closed) {
		return nil
	}
	return err
}

// eachPlacement calls fn for what this node may have of the distribution: what
// stands, opened or not, and what was begun elsewhere and never came to stand.
func (w *worker) eachPlacement(fn func(*api.Distribution, *storage.Placement) error) error {
	began, standing := &w.rec.Wanted, w.rec.Standing
	if w.rec.Removed {
		return nil
	}
	if standing != nil {
		if err := fn(standing, w.placement); err != nil {
			return err
		}
	}
	if began.Path != "" && (standing == nil || began.Path != standing.Path) {
		if err := fn(began, nil); err != nil {
			return err
		}
	}
	if w.rec.Leftover != nil {
		return fn(w.rec.Leftover, nil)
	}
	return nil
}

// unopenedError says that a placement cannot be opened: its manifest is not on
// this node, or its path is not allowed or belongs to another.
type unopenedError struct{ err error }

func (e *unopenedError) Error() string { return e.err.Error() }
func (e *unopenedError) Unwrap() error { return e.err }

// with calls fn with the placement. It is opened for that if it is nil, or the
// error is an *unopenedError.
func (w *worker) with(d *api.Distribution, p *storage.Placement, fn func(*storage.Placement) error) error {
	if p != nil {
		return fn(p)
	}
	m, err := w.savedManifest(d.Digest)
	if err == nil {
		p, err = w.open(d, m)
	}
	if err != nil {
		return &unopenedError{err}
	}
	defer p.Close()
	return fn(p)
}
