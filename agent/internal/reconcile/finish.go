package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// scanFactor bounds the share of time that a node spends looking for drift.
const scanFactor = 20

// finished is a worker's only report of how its task ended.
type finished struct {
	worker *worker
	out    outcome
	err    error
	gaveUp bool // it was cancelled, so the error means nothing
}

func (e finished) apply(r *Reconciler) {
	x := r.dists[e.worker.name]
	x.worker = nil
	switch {
	case e.worker.upkeep:
		r.kept(x, e)
	case e.out.refused != nil:
		r.refusedAfter(x, e)
	case e.err != nil:
		r.failed(x, e)
	default:
		x.failures, x.retryAt = 0, time.Time{}
		r.succeeded(x, e)
	}
	r.noteDropped(x)
	r.replan()
}

// failed reports the error and schedules another try, unless the task was given
// up or the desired state changed meanwhile.
func (r *Reconciler) failed(x *dist, e finished) {
	if d, ok := needs(e.worker.task); ok {
		r.abandon(d, x.name)
	}
	r.close(e.out.opened)
	if e.gaveUp {
		return
	}
	if x.placement != nil && x.rec.Standing != nil && !x.placement.Installed() {
		x.rec.Drifted = true
	}
	r.log.Warn("task failed", "distribution", x.name, "task", taskName(e.worker.task), "error", e.err)
	r.fail(x, asAPIError(e.err, x.name))
	if x.wanted != nil && x.wanted.Generation != e.worker.wanted.Generation {
		x.retryAt = time.Time{}
	}
}

func (r *Reconciler) succeeded(x *dist, e finished) {
	switch t := e.worker.task.(type) {
	case Place, Replace:
		r.placed(x, e)
	case Stage:
		r.stagedNow(x, e)
	case Repair:
		r.repaired(x, e)
	case Check:
		r.checked(x, e)
	case Verify:
		if r.checked(x, e) && !x.rec.Drifted {
			x.rec.Verified = t.Generation
			r.standing(x)
		}
	case Remove:
		r.removed(x, t)
	case Forget:
		r.forgotten(x)
	}
}

// placed records what stands now. The version before, if it is open, is let go.
func (r *Reconciler) placed(x *dist, e finished) {
	before := x.rec.Standing
	r.closePlacement(x)
	x.placement = e.out.opened
	wanted := e.worker.wanted
	x.rec.Verified = r.verifiedBy(before, &wanted, x.rec.Verified)
	x.rec.Standing, x.rec.Leftover, x.rec.Drifted = &wanted, nil, false
	x.rec.Trial, x.rec.Refused = nil, nil
	x.rec.StandingBytes = int64(x.placement.Manifest().Size())
	r.cfg.Budget.Set(stagedPurpose(x.name), 0)
	r.noteKept(x, e)
	now := r.cfg.Now()
	x.rec.Status.InstalledAt = &now
	x.nextCheck = now.Add(r.cfg.CheckInterval)
	r.standing(x)
	if before != nil {
		r.dropManifest(before.Digest)
	}
	r.log.Info("installed", "distribution", x.name, "digest", wanted.Digest, "path", wanted.Path)
}

// noteKept takes note of the version that stands by. One that does not any more
// is forgotten.
func (r *Reconciler) noteKept(x *dist, e finished) {
	before := x.rec.Kept
	x.rec.Kept, x.rec.KeptBytes = e.out.kept, e.out.keptBytes
	if before == x.rec.Kept {
		return
	}
	r.save(x)
	r.report(x, true)
	if before != "" {
		r.dropManifest(before)
	}
}

// verifiedBy returns the VerifyGeneration that holds after a placement: content
// that came to stand new was hashed on the way, other content was not.
func (r *Reconciler) verifiedBy(before, now *api.Distribution, verified int64) int64 {
	if before == nil || before.Digest != now.Digest {
		return now.VerifyGeneration
	}
	return min(verified, now.VerifyGeneration)
}

func (r *Reconciler) repaired(x *dist, e finished) {
	r.takeOpened(x, e)
	x.rec.Drifted = false
	x.rec.Status.Repaired++
	x.nextCheck = r.cfg.Now().Add(r.cfg.CheckInterval)
	r.standing(x)
	r.log.Info("repaired", "distribution", x.name, "path", x.rec.Standing.Path)
}

// checked takes note of what a scan found. False if nothing of ours is known to
// stand any more.
func (r *Reconciler) checked(x *dist, e finished) bool {
	r.takeOpened(x, e)
	r.noteKept(x, e)
	x.nextCheck = r.cfg.Now().Add(max(r.cfg.CheckInterval, scanFactor*e.out.scan))
	if e.out.gone {
		r.log.Warn("the manifest of what stands is lost; placing it again", "distribution", x.name)
		x.rec.Standing = nil
		r.save(x)
		return false
	}
	if x.placement.Installed() {
		if mended := e.out.drift.Mended; len(mended) > 0 {
			x.rec.Status.Repaired++
			r.log.Info("mended", "distribution", x.name, "path", x.rec.Standing.Path, "files", some(mended))
		}
		r.standing(x)
		return true
	}
	r.drifted(x, e)
	return true
}

// drifted reports the damage and withdraws it from peers; the plan repairs it.
func (r *Reconciler) drifted(x *dist, e finished) {
	x.rec.Drifted = true
	r.noteDamage(x, e)
	r.save(x)
	r.phase(x, api.PhasePending)
}

func (r *Reconciler) removed(x *dist, t Remove) {
	r.closePlacement(x)
	if before := x.rec.Standing; before != nil {
		defer r.dropManifest(before.Digest)
	}
	x.rec.Standing, x.rec.Leftover, x.rec.Drifted, x.rec.Removed = nil, nil, false, true
	r.noteKept(x, finished{})
	x.rec.Trial, x.rec.Refused = nil, nil
	x.rec.Status.InstalledAt = nil
	r.save(x)
	r.phase(x, api.PhaseRemoved)
	r.log.Info("removed", "distribution", x.name, "generation", t.Generation)
}

func (r *Reconciler) forgotten(x *dist) {
	r.closePlacement(x)
	if err := r.state.dropRecord(x.name); err != nil {
		r.log.Error("placement is not forgotten", "distribution", x.name, "error", err)
	}
	delete(r.dists, x.name)
	r.unaccount(x)
	r.reporter.drop(x.name)
	r.dropManifest(x.rec.Wanted.Digest)
	r.dropManifest(x.rec.Kept)
	if !x.rec.Removed {
		r.log.Info("forgotten; the content is left where it is", "distribution", x.name, "path", x.rec.Wanted.Path)
	}
}

// adopt takes note of a generation that changes nothing on the disk.
func (r *Reconciler) adopt(x *dist, t Adopt) {
	x.rec.Wanted = *x.wanted
	standing := *x.wanted
	x.rec.Standing, x.rec.Verified = &standing, t.Verified
	r.standing(x)
	r.replan()
}

// dropManifest deletes a manifest that nothing on this node is about any more.
func (r *Reconciler) dropManifest(digest string) {
	d, err := artifact.ParseDigest(digest)
	if err != nil || r.published[d] != "" {
		return
	}
	for _, x := range r.dists {
		standing := x.rec.Standing
		if standing != nil && standing.Digest == digest || !x.rec.Removed && x.rec.Wanted.Digest == digest || x.rec.Kept == digest {
			return
		}
	}
	if err := r.cfg.Storage.DropManifest(d); err != nil {
		r.log.Warn("manifest is not deleted", "digest", d, "error", err)
	}
}

// some shortens a list of files for the log.
func some(files []string) string {
	const shown = 5
	if n := len(files); n > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(files[:shown], ", "), n-shown)
	}
	return strings.Join(files, ", ")
}
