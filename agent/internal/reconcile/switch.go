package reconcile

import (
	"context"
	"errors"
	"slices"

	"github.com/rackswarm/rackswarm/agent/internal/hook"
	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// place makes the wanted artifact stand: from what this node has, then from
// peers. What stood before stays until the hooks have passed; what stood at
// another path is taken away then.
func (w *worker) place(ctx context.Context, out *outcome) error {
	if err := w.settle(ctx); err != nil {
		return err
	}
	if err := w.stage(ctx, out); err != nil {
		return err
	}
	if err := w.switchOver(ctx, out); err != nil {
		return err
	}
	if old := w.rec.Standing; old != nil && old.Path != w.wanted.Path {
		if err := w.onDisk(ctx, func() error { return w.removeContent(ctx, old, w.placement) }); err != nil {
			return err
		}
	}
	return w.tidy(ctx, out, out.opened)
}

// stageOnly does all of place that leaves what stands as it is.
func (w *worker) stageOnly(ctx context.Context, out *outcome) error {
	if err := w.settle(ctx); err != nil {
		return err
	}
	return w.stage(ctx, out)
}

// stage brings the whole content to lie beside the destination, ready for a
// rename, and has the hooks look at it. There is nothing to bring if only owners
// or modes of what stands are to change, or if it stands already.
func (w *worker) stage(ctx context.Context, out *outcome) error {
	if out.opened = w.staged; out.opened != nil {
		if slices.Equal(w.stagedFor.Hooks.Before, w.wanted.Hooks.Before) {
			return nil
		}
		return w.runBefore(ctx, out.opened.StagedPath())
	}
	if w.restyles() {
		return w.runBefore(ctx, w.wanted.Path)
	}
	m, err := w.manifest(ctx)
	if err != nil {
		return err
	}
	if w.rec.Leftover != nil {
		if err := w.release(ctx, w.rec.Leftover, nil); err != nil {
			return err
		}
	}
	if err := w.reserve(ctx, m); err != nil {
		return err
	}
	if out.opened, err = w.open(&w.wanted, m); err != nil {
		return err
	}
	if err := w.reuse(ctx, out.opened); err != nil || out.opened.Installed() {
		return err
	}
	if err := w.complete(ctx, out.opened, m, out.opened.Stage); err != nil {
		return err
	}
	return w.runBefore(ctx, out.opened.StagedPath())
}

// restyles reports whether the content that stands is the wanted one, with other
// owners or modes.
func (w *worker) restyles() bool {
	s := w.rec.Standing
	return s != nil && w.rec.Trial == nil && s.Digest == w.wanted.Digest && s.Path == w.wanted.Path
}

// switchOver changes the destination and has the hooks look at it. If one of
// them refuses, what stood before comes back.
func (w *worker) switchOver(ctx context.Context, out *outcome) error {
	if p := out.opened; p != nil && p.Installed() && w.rec.Trial == nil {
		return nil // it stood before this node knew of it
	}
	if err := w.beginSwitch(ctx); err != nil {
		return err
	}
	if err := w.journal(ctx, &w.wanted); err != nil {
		return err
	}
	if out.opened == nil { // preparing it with its new owners and modes changes these
		m, err := w.manifest(ctx)
		if err != nil {
			return err
		}
		if out.opened, err = w.open(&w.wanted, m); err != nil {
			return err
		}
		if err := w.reuse(ctx, out.opened); err != nil {
			return err
		}
	}
	p := out.opened
	install := p.Install
	if w.keepsOld() {
		install = p.InstallKeeping
	}
	if err := w.complete(ctx, p, p.Manifest(), install); err != nil {
		return err
	}
	err := w.hooks.Run(ctx, w.wanted.Hooks.After, w.told(""))
	if err == nil || ctx.Err() != nil {
		return err
	}
	return w.refused(ctx, out, err)
}

// keepsOld reports whether the version that stands now is of use after the
// switch: to come back if a hook refuses, or for a rollback.
func (w *worker) keepsOld() bool {
	s := w.rec.Standing
	return s != nil && s.Path == w.wanted.Path && (len(w.wanted.Hooks.After) > 0 || s.Digest == kept(&w.wanted))
}

// kept is the digest of the version that nodes keep beside what d wants, "" for
// none.
func kept(d *api.Distribution) string {
	if d.KeepPrevious {
		return d.Previous
	}
	return ""
}

// refused brings back what stood before. The error is that of the hook, or says
// that coming back failed as well; then it is tried once more with the hooks.
func (w *worker) refused(ctx context.Context, out *outcome, refusal error) error {
	refused := out.opened
	before, err := w.swapBack(ctx, refused)
	if err != nil {
		return errors.Join(refusal, err)
	}
	out.refused, out.opened = refusal, before
	out.discarded = refused
	if before != nil {
		w.noteKept(out, before)
	} else {
		out.kept = w.wanted.Digest
		out.keptBytes = int64(refused.Manifest().Size())
	}
	return refusal
}

// swapBack makes stand again what stood before p did, and returns it; nil if
// nothing stood at that path. What stood in the meantime is kept.
func (w *worker) swapBack(ctx context.Context, p *storage.Placement) (*storage.Placement, error) {
	old := w.rec.Standing
	if old == nil || old.Path != p.Path() {
		return nil, w.onDisk(ctx, func() error { return p.SetAside(ctx) })
	}
	m, err := w.savedManifest(old.Digest)
	if err != nil {
		return nil, err
	}
	before, err := w.open(old, m)
	if err != nil {
		return nil, err
	}
	err = w.onDisk(ctx, func() error { return before.Prepare(ctx, nil) })
	if err == nil {
		err = w.complete(ctx, before, m, before.InstallKeeping)
	}
	if err != nil {
		return nil, errors.Join(err, before.Close())
	}
	return before, nil
}

// settle ends the trial of other content than what is wanted now.
func (w *worker) settle(ctx context.Context) error {
	t := w.rec.Trial
	if t == nil || sameOnDisk(t, &w.wanted) || w.rec.Standing != nil && sameOnDisk(w.rec.Standing, &w.wanted) {
		return nil
	}
	p, err := w.reopened(ctx, t)
	if err != nil || p == nil {
		return err
	}
	defer p.Close()
	if p.Installed() {
		before, err := w.swapBack(ctx, p)
		if err != nil {
			return err
		}
		if before != nil {
			defer before.Close()
		}
	}
	w.rec.Trial = nil
	return w.journal(ctx, nil)
}

// reopened opens what was put on trial before the task began; nil if nothing is
// known of it.
func (w *worker) reopened(ctx context.Context, d *api.Distribution) (*storage.Placement, error) {
	m, err := w.savedManifest(d.Digest)
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := w.open(d, m)
	if err != nil {
		return nil, err
	}
	if err := w.onDisk(ctx, func() error { return p.Recover(ctx) }); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// tidy removes what is of no use any more beside content that stands.
func (w *worker) tidy(ctx context.Context, out *outcome, p *storage.Placement) error {
	var keep *artifact.Digest
	if d, err := artifact.ParseDigest(kept(&w.wanted)); err == nil {
		keep = &d
	}
	err := w.onDisk(ctx, func() error {
		p.Tidy(ctx, keep)
		return nil
	})
	w.noteKept(out, p)
	return err
}

func (w *worker) noteKept(out *outcome, p *storage.Placement) {
	out.kept, out.keptBytes = "", 0
	if d, size := p.Kept(); d != nil {
		out.kept, out.keptBytes = d.String(), size
	}
}

func (w *worker) runBefore(ctx context.Context, staged string) error {
	return w.hooks.Run(ctx, w.wanted.Hooks.Before, w.told(staged))
}

// told is what hooks are told.
func (w *worker) told(staged string) hook.Switch {
	s := hook.Switch{Distribution: w.name, Digest: w.wanted.Digest, Path: w.wanted.Path, Staged: staged}
	if w.rec.Standing != nil {
		s.Previous = w.rec.Standing.Digest
	}
	return s
}

// beginSwitch tells the loop that the task changes what stands from here on: a stop
// lets it end then. An error says that the task was given up before.
func (w *worker) beginSwitch(ctx context.Context) error {
	begun := make(chan struct{})
	w.send(switching{w, begun})
	select {
	case <-ctx.Done():
	case <-begun: // the loop may have given the task up just before
	}
	return ctx.Err()
}

type switching struct {
	worker *worker
	begun  chan<- struct{}
}

func (e switching) apply(r *Reconciler) {
	if r.current(e.worker) {
		r.dists[e.worker.name].switching = true
		close(e.begun)
	}
}

// journal notes for a restart that content is on trial, nil for none, before it
// comes to stand. Without hooks that could refuse it there is no trial.
func (w *worker) journal(ctx context.Context, d *api.Distribution) error {
	if d != nil && len(d.Hooks.After) == 0 {
		return nil
	}
	reply := make(chan error, 1)
	w.send(trial{w, d, reply})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-reply:
		return err
	}
}

type trial struct {
	worker *worker
	of     *api.Distribution
	reply  chan<- error // has room for the answer
}

func (e trial) apply(r *Reconciler) {
	if !r.current(e.worker) {
		return
	}
	x := r.dists[e.worker.name]
	x.rec.Trial = e.of
	e.reply <- r.state.saveRecord(x.rec)
}
