package reconcile

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// check looks at what stands, by stamps or by hashing everything. What was not
// opened since the start is opened first.
func (w *worker) check(ctx context.Context, out *outcome, deep bool) error {
	return w.onDisk(ctx, func() error {
		began := time.Now()
		defer func() { out.scan = time.Since(began) }()
		if w.placement == nil {
			if err := w.reopen(ctx, out); err != nil || out.gone {
				return err
			}
		}
		if deep {
			w.progress(api.PhaseVerifying, 0, 0)
		}
		p := w.placement
		if p == nil {
			p = out.opened
		}
		drift, err := p.Check(ctx, deep)
		out.drift = drift
		return err
	})
}

// reopen finds again what stood when the agent stopped. Without its manifest it
// counts as gone: placing it again adopts the content, once peers gave the
// manifest.
func (w *worker) reopen(ctx context.Context, out *outcome) error {
	m, err := w.savedManifest(w.rec.Standing.Digest)
	if isNotFound(err) {
		out.gone = true
		return nil
	}
	if err != nil {
		return err
	}
	if out.opened, err = w.open(w.rec.Standing, m); err != nil {
		return err
	}
	return out.opened.Prepare(ctx, func(int64, int64) {})
}
