package reconcile

import (
	"context"

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

// removeContent removes what stands or is staged for d. Staging without a
// manifest was never begun; content without one cannot be told from other files.
func (w *worker) removeContent(ctx context.Context, d *api.Distribution, p *storage.Placement) error {
	err := w.with(d, p, func(p *storage.Placement) error { return p.Remove(ctx) })
	switch {
	case !isNotFound(err):
		return err
	case d == w.rec.Standing:
		return &api.Error{Code: api.CodeNotFound, Subject: d.Path,
			Message: "the content is not removed: its manifest is lost, so this node cannot tell which files it put there",
			Fix:     "remove the path by hand"}
	}
	return nil
}

// forget leaves what stands where it is and clears what was being staged.
func (w *worker) forget(ctx context.Context, out *outcome) error {
	out.gone = true
	return w.eachPlacement(func(d *api.Distribution, p *storage.Placement) error {
		return w.onDisk(ctx, func() error {
			err := w.with(d, p, func(p *storage.Placement) error { return p.Release(ctx) })
			if isNotFound(err) { // without a manifest there is nothing to let go of
				return nil
			}
			return err
		})
	})
}

// eachPlacement calls fn for what this node may have of the distribution: what
// stands, opened or not, and what was last begun, if that is another.
func (w *worker) eachPlacement(fn func(*api.Distribution, *storage.Placement) error) error {
	began, standing := &w.rec.Wanted, w.rec.Standing
	if standing != nil {
		if err := fn(standing, w.placement); err != nil {
			return err
		}
	}
	if began.Path != "" && (standing == nil || began.Path != standing.Path) {
		return fn(began, nil)
	}
	return nil
}

// with calls fn with the placement, which is opened for that if it is nil. The
// error has code not_found if its manifest is not on this node.
func (w *worker) with(d *api.Distribution, p *storage.Placement, fn func(*storage.Placement) error) error {
	if p != nil {
		return fn(p)
	}
	m, err := w.savedManifest(d.Digest)
	if err != nil {
		return err
	}
	if p, err = w.open(d, m); err != nil {
		return err
	}
	defer p.Close()
	return fn(p)
}
