package reconcile

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// upkeepRetry is how long a failed upkeep rests.
const upkeepRetry = slowRetry

// upkeep is what is done about content that stands while what is wanted instead
// is not known or cannot be had: it is refused, or waits for the other nodes or
// for another try. Nil is nothing.
func (x *dist) upkeep(now time.Time) Task {
	s := x.rec.Standing
	if s == nil || x.rec.Removed || x.rec.Trial != nil {
		return nil
	}
	switch t := x.task.(type) {
	case Keep, Wait:
	case Refuse:
		if x.wanted != nil && x.wanted.Digest == s.Digest && t.Error.Code != api.CodeConflict {
			return Check{} // it is refused for what it is
		}
	case Replace, Stage:
		if !x.retryAt.After(now) {
			return nil
		}
	default:
		return nil
	}
	if d, err := artifact.ParseDigest(s.Digest); err == nil && x.rec.Drifted {
		return Repair{d, s.Generation}
	}
	return Check{}
}

// keep starts the upkeep that is due.
func (r *Reconciler) keep(ctx context.Context, x *dist) {
	task := x.upkeep(r.cfg.Now())
	if task == nil || x.worker != nil || x.nextCheck.After(r.cfg.Now()) || r.openingSource(x.rec.Standing.Digest) {
		return
	}
	if d, ok := needs(task); ok && r.fetcher(d) != nil {
		return
	}
	r.startWorker(ctx, x, &worker{task: task, wanted: *x.rec.Standing, upkeep: true})
}

// kept takes note of what an upkeep found and did. Phase and error go on to
// speak of what is wanted.
func (r *Reconciler) kept(x *dist, e finished) {
	drifted, repaired := x.rec.Drifted, x.rec.Status.Repaired
	x.nextCheck = r.cfg.Now().Add(max(r.cfg.CheckInterval, scanFactor*e.out.scan))
	switch {
	case e.err != nil:
		r.upkeepFailed(x, e)
	case e.out.gone:
		x.nextCheck = r.cfg.Now().Add(upkeepRetry)
		r.log.Warn("the manifest of what stands is lost; it is not checked", "distribution", x.name, "path", x.rec.Standing.Path)
	default:
		r.takeOpened(x, e)
		r.noteUpkeep(x, e)
	}
	if x.rec.Drifted != drifted || x.rec.Status.Repaired != repaired {
		r.save(x)
		r.report(x, true)
	}
}

func (r *Reconciler) upkeepFailed(x *dist, e finished) {
	if d, ok := needs(e.worker.task); ok {
		r.abandon(d, x.name)
	}
	r.close(e.out.opened)
	if x.placement != nil && !x.placement.Installed() {
		x.rec.Drifted = true
	}
	if e.gaveUp {
		x.nextCheck = r.cfg.Now()
		return
	}
	x.nextCheck = r.cfg.Now().Add(upkeepRetry)
	r.log.Warn("what stands is not kept up", "distribution", x.name, "task", taskName(e.worker.task), "error", e.err)
}

func (r *Reconciler) noteUpkeep(x *dist, e finished) {
	standing := x.placement.Installed()
	switch {
	case isRepair(e.worker.task) || standing && len(e.out.drift.Mended) > 0:
		x.rec.Status.Repaired++
		x.told = x.rec.Status.Repaired
		r.log.Info("repaired", "distribution", x.name, "path", x.rec.Standing.Path)
	case !standing && !x.rec.Drifted:
		r.noteDamage(x, e)
		x.nextCheck = r.cfg.Now() // for its repair
	}
	x.rec.Drifted = !standing
}

// takeOpened makes a placement that a task opened the one that stands.
func (r *Reconciler) takeOpened(x *dist, e finished) {
	if e.out.opened != nil {
		r.closePlacement(x)
		x.placement = e.out.opened
	}
}

// noteDamage logs it and withdraws it from peers.
func (r *Reconciler) noteDamage(x *dist, e finished) {
	r.log.Warn("content at the destination was changed; repairing it", "distribution", x.name,
		"path", x.rec.Standing.Path, "missing", some(e.out.drift.Missing), "changed", some(e.out.drift.Changed))
	r.withdrawLost()
}
