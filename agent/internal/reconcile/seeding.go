package reconcile

import (
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// demandSeen is an answer of the demand poller.
type demandSeen struct {
	digest artifact.Digest
	needed bool // by another node
}

// apply seeds what others need, and stops a while after nobody does
// (requirement 27). Other BitTorrent clients count.
func (e demandSeen) apply(r *Reconciler) {
	t := r.transfers[e.digest]
	switch {
	case e.needed && (t == nil || t.idle()):
		r.seed(e.digest)
	case t == nil || t.waiting():
	case e.needed || r.visited(e.digest):
		t.needed = r.cfg.Now()
	case r.cfg.Now().Sub(t.needed) >= linger:
		r.leave(e.digest)
	}
}

// holder is content on this node that can be seeded.
type holder struct {
	content  swarmapi.Content
	manifest *artifact.Manifest
	owner    string // distribution, "" for a published source
}

// seed offers what this node holds of an artifact, if anything.
func (r *Reconciler) seed(d artifact.Digest) {
	h, ok := r.holder(d)
	if !ok {
		return
	}
	r.provide(d, h.owner, h.manifest, h.content, h.owner == "")
	r.syncHeld()
}

// holder chooses among several: a whole source, a whole placement, what is left
// of a source.
func (r *Reconciler) holder(d artifact.Digest) (holder, bool) {
	src := r.sources[d]
	if src != nil && src.Have().Full() {
		return holder{src, src.Manifest(), ""}, true
	}
	for _, x := range r.sortedDists() {
		if p := x.placement; p != nil && !x.leaving() && p.Manifest().Digest() == d && p.Have().Full() {
			return holder{p, p.Manifest(), x.name}, true
		}
		if p := x.staged; p != nil && p.Manifest().Digest() == d && p.Have().Full() {
			return holder{p, p.Manifest(), x.name}, true
		}
	}
	if src != nil {
		return holder{src, src.Manifest(), ""}, true
	}
	return holder{}, false
}

// leaving reports whether the placement is about to be let go.
func (x *dist) leaving() bool {
	if x.worker == nil {
		return false
	}
	switch x.worker.task.(type) {
	case Remove, Forget:
		return true
	}
	return false
}

// syncHeld tells the demand poller what this node holds.
func (r *Reconciler) syncHeld() {
	held := r.heldDigests()
	for d := range r.transfers {
		held[d] = true
	}
	r.demand.set(held)
}

// heldDigests are the artifacts of which this node holds something; the value says
// whether it takes part in the transfer.
func (r *Reconciler) heldDigests() map[artifact.Digest]bool {
	held := map[artifact.Digest]bool{}
	for d := range r.sources {
		held[d] = r.transfers[d] != nil
	}
	for _, x := range r.dists {
		if x.placement != nil {
			d := x.placement.Manifest().Digest()
			held[d] = r.transfers[d] != nil
		}
		if x.staged != nil {
			d := x.staged.Manifest().Digest()
			held[d] = r.transfers[d] != nil
		}
	}
	return held
}

// withdrawLost tells peers about content that was found changed while it was
// read. A placement is checked at once; a published source stays as it is.
func (r *Reconciler) withdrawLost() {
	for _, t := range r.sortedTransfers() {
		x := r.dists[t.owner]
		if t.content == nil || t.waiting() || x != nil && x.worker != nil {
			continue
		}
		have := t.content.Have()
		if have.Full() || have.Count() == t.told {
			continue
		}
		t.told = have.Count()
		r.log.Info("changed content is withdrawn from peers", "digest", t.digest, "distribution", t.owner,
			"spans_left", have.Count(), "spans", have.Len())
		r.cfg.Swarm.SpansLost(t.digest, have)
		if s := r.sources[t.digest]; s != nil && t.content == swarmapi.Content(s) {
			r.log.Warn("published source was changed in place; publish it again", "path", s.path, "files", some(s.Spoilt()))
		}
		if x != nil {
			x.nextCheck = r.cfg.Now()
		}
	}
}

func (r *Reconciler) sortedTransfers() []*transfer {
	return slices.SortedFunc(maps.Values(r.transfers), func(a, b *transfer) int {
		return compareDigests(a.digest, b.digest)
	})
}
