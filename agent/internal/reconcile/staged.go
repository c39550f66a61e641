package reconcile

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// isStaged reports whether what d wants lies ready beside the destination, and
// the hooks that d names have passed it.
func (r *Record) isStaged(d *api.Distribution) bool {
	return r.staged != nil && sameRequest(r.staged, d) && slices.Equal(r.staged.Hooks.Before, d.Hooks.Before)
}

// stagedNow records content that waits for the others to have it too. Content
// that was found to stand already has nothing to wait for.
func (r *Reconciler) stagedNow(x *dist, e finished) {
	if e.out.opened != nil && e.out.opened.Installed() {
		r.placed(x, e)
		return
	}
	wanted := e.worker.wanted
	x.staged, x.rec.staged = e.out.opened, &wanted
	s := &x.rec.Status
	s.BytesDone = s.BytesTotal
	r.log.Info("staged", "distribution", x.name, "digest", wanted.Digest, "generation", wanted.Generation)
}

// await reports that this node waits, and looks whether what it has staged is
// still right.
func (r *Reconciler) await(x *dist, t Wait) {
	if x.staged != nil && !x.staged.Have().Full() {
		r.log.Warn("staged content has changed; staging it again", "distribution", x.name)
		r.closeStaged(x)
		r.replan()
		return
	}
	if s := &x.rec.Status; s.Phase != api.PhaseStaged || s.Generation != t.Generation {
		x.rec.Wanted = *x.wanted
		r.phase(x, api.PhaseStaged)
		r.save(x)
	}
}

// dropUnwanted closes what is staged if something else is wanted by now. It is
// removed from the disk when what is wanted stands.
func (r *Reconciler) dropUnwanted(x *dist) {
	if x.rec.staged == nil || x.wanted != nil && sameRequest(x.rec.staged, x.wanted) {
		return
	}
	r.closeStaged(x)
	r.account(x)
}

func (r *Reconciler) closeStaged(x *dist) {
	r.close(x.staged)
	x.staged, x.rec.staged = nil, nil
}

// Refusal is why a version does not stand that was tried: hooks refused it after
// the switch.
type Refusal struct {
	Generation int64     `json:"generation"`
	Hooks      string    `json:"hooks"` // fingerprint of the hooks after the switch, as they were
	Error      api.Error `json:"error"`
}

// refusedAfter records that what stood before is back.
func (r *Reconciler) refusedAfter(x *dist, e finished) {
	r.close(e.out.discarded)
	if e.out.opened != nil {
		r.closePlacement(x)
		x.placement = e.out.opened
	}
	wanted := e.worker.wanted
	err := *asAPIError(e.out.refused, x.name)
	now := "what stood before is back"
	if e.out.opened == nil {
		now = "nothing of ours stood there before, and nothing does"
	}
	r.log.Warn("refused; "+now, "distribution", x.name, "digest", wanted.Digest, "error", &err)
	err.Fix = now + "; " + err.Fix + ", then: rackswarm activate " + x.name
	x.rec.Trial, x.rec.Drifted = nil, false
	x.rec.Refused = &Refusal{wanted.Generation, r.cfg.Hooks.Fingerprint(wanted.Hooks.After...), err}
	x.rec.Kept, x.rec.KeptBytes = e.out.kept, e.out.keptBytes
	r.cfg.Budget.Set(stagedPurpose(x.name), 0)
	r.fail(x, &err)
	r.save(x)
}
