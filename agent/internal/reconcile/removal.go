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

// removeContent removes what stands or is staged for d.
func (w *worker) removeContent(ctx context.Context, d *api.Distribution, p *storage.Placement) error {
	return w.with(d, p, func(p *storage.Placement) error { return p.Remove(ctx) })
}

// forget leaves what stands where it is and clears what was being staged.
func (w *worker) forget(ctx context.Context, out *outcome) error {
	out.gone = true
	return w.eachPlacement(func(d *api.Distribution, p *storage.Placement) error {
		return w.onDisk(ctx, func() error { return w.release(ctx, d, p) })
	})
}

// release lets go of what stands or is staged for d. What cannot be opened, as
// its path is no longer allowed, is forgotten without a look at the disk.
func (w *worker) release(ctx context.Context, d *api.Distribution, p *storage.Placement) error {
	err := w.with(d, p, func(p *storage.Placement) error { return p.Release(ctx) })
	var closed *unopenedError
	if errors.As(err, &closed) {
		return w.storage.Forget(placementID(d))
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

// unopenedError says that the storage knows a placement and cannot open it: its
// path is not allowed any more, or something is mounted there.
type unopenedError struct{ err error }

func (e *unopenedError) Error() string { return e.err.Error() }
func (e *unopenedError) Unwrap() error { return e.err }

// with calls fn with the placement. It is opened for that if it is nil, without
// its manifest and its owner, which may be lost; the error is then an
// *unopenedError. Nothing is done about what was never begun.
func (w *worker) with(d *api.Distribution, p *storage.Placement, fn func(*storage.Placement) error) error {
	if p != nil {
		return fn(p)
	}
	p, err := w.storage.Reopen(placementID(d))
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return &unopenedError{err}
	}
	defer p.Close()
	return fn(p)
}
