package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/core/api"
)

// check looks at what stands, by stamps or by hashing everything. What was not
// opened since the start is opened first.
func (w *worker) check(ctx context.Context, out *outcome, deep bool) error {
	err := w.onDisk(ctx, func() (err error) {
		began := time.Now()
		defer func() { out.scan = time.Since(began) }()
		p := w.placement
		if p == nil {
			if err := w.reopen(out); err != nil || out.gone {
				return err
			}
			p = out.opened
		}
		if deep {
			w.progress(api.PhaseVerifying, 0, 0)
		}
		out.drift, err = look(ctx, p, deep)
		return err
	})
	if err != nil || out.gone || w.upkeep {
		return err
	}
	p := w.placement
	if out.opened != nil {
		p = out.opened
	}
	return w.tidy(ctx, out, p)
}

// look checks a placement. One that was never looked at, or whose content was
// found to be gone, is prepared for that.
func look(ctx context.Context, p *storage.Placement, deep bool) (storage.Drift, error) {
	drift, err := p.Check(ctx, deep)
	if !errors.Is(err, storage.ErrNotPrepared) {
		return drift, err
	}
	if err := p.Prepare(ctx, nil); err != nil || !deep {
		return drift, err
	}
	return p.Check(ctx, deep)
}

// reopen finds again what stood when the agent stopped. Without its manifest it
// counts as gone: placing it again adopts the content, once peers gave the
// manifest.
func (w *worker) reopen(out *outcome) error {
	m, err := w.savedManifest(w.rec.Standing.Digest)
	if isNotFound(err) {
		out.gone = true
		return nil
	}
	if err != nil {
		return err
	}
	out.opened, err = w.open(w.rec.Standing, m)
	return err
}
