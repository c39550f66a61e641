package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

const (
	// collectInterval is how often a node looks for what nothing needs.
	collectInterval = 10 * time.Minute
	// collectGrace is how long something has to lie untouched before it goes.
	collectGrace = time.Hour
)

// Collect deletes what this node holds on its disk and no distribution needs, or
// lists it if dry is true. It does nothing, and returns an error, unless the store
// says now what is needed.
func (r *Reconciler) Collect(ctx context.Context, dry bool) ([]api.CollectedItem, error) {
	known, err := r.needed(ctx)
	if err != nil {
		return nil, err
	}
	known.Before = r.cfg.Now().Add(-collectGrace)
	items, err := r.cfg.Storage.Collect(ctx, known.Needed, dry)
	for _, k := range known.kept {
		if !dry {
			gone, err := k.placement.DropKept(ctx, k.digest)
			if err != nil {
				r.log.Warn("a version that is kept is not deleted", "path", k.item.Path, "error", err)
			}
			if !gone {
				continue
			}
			r.mail.put(keptDropped{k.dist, k.digest})
		}
		items = append(items, k.item)
	}
	return items, err
}

// needed asks the loop what must stay, after a look at the store.
func (r *Reconciler) needed(ctx context.Context) (neededNow, error) {
	limited, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	reply := make(chan neededNow, 1)
	err := r.reader.inOrder(limited, func(now desired, err error) {
		if err == nil {
			r.mail.put(askNeeded{now, reply})
		}
	})
	if err != nil {
		return neededNow{}, err
	}
	select {
	case n := <-reply:
		if n.unsure {
			return n, &api.Error{Code: api.CodeConflict, Subject: "store", Message: "it is not the one that this node's distributions are from, or lost its data",
				Fix: "distribute again what is wanted; then what is not can be collected"}
		}
		return n, nil
	case <-r.done:
		return neededNow{}, ErrStopped
	case <-ctx.Done():
		return neededNow{}, ctx.Err()
	}
}

// neededNow is what the loop knows to be needed.
type neededNow struct {
	storage.Needed
	kept   []keptVersion // versions that are kept and not wanted
	unsure bool          // the store does not know what this node holds for it
}

type keptVersion struct {
	dist      string
	placement *storage.Placement
	digest    artifact.Digest
	item      api.CollectedItem
}

// askNeeded brings a reading of the store, which is newer than what the loop
// knows or the same.
type askNeeded struct {
	now   desired
	reply chan<- neededNow // has room for the answer
}

func (e askNeeded) apply(r *Reconciler) {
	desiredRead{e.now, nil}.apply(r)
	n := neededNow{Needed: storage.Needed{IDs: map[string]bool{}, Digests: map[artifact.Digest]bool{}}}
	digest := func(text string) {
		if d, err := artifact.ParseDigest(text); err == nil {
			n.Digests[d] = true
		}
	}
	for _, x := range r.sortedDists() {
		n.unsure = n.unsure || x.task == (Keep{})
		all := []*api.Distribution{&x.rec.Wanted, x.rec.Standing, x.rec.Leftover, x.rec.Trial, x.wanted}
		for _, d := range slices.DeleteFunc(all, func(d *api.Distribution) bool { return d == nil || d.Path == "" }) {
			n.IDs[placementID(d)] = true
			n.Paths = append(n.Paths, d.Path)
			digest(d.Digest)
			digest(d.Previous)
		}
		digest(x.rec.Kept)
		if d, err := artifact.ParseDigest(x.rec.Kept); err == nil && x.worker == nil && x.placement != nil && x.keepsNeedlessly() {
			n.kept = append(n.kept, keptVersion{x.name, x.placement, d, api.CollectedItem{
				Path: x.rec.Standing.Path, Bytes: x.rec.KeptBytes, Reason: "version kept beside it that nobody returns to"}})
		}
	}
	for _, d := range r.desired.Distributions {
		digest(d.Digest)
	}
	for d := range r.published {
		n.Digests[d] = true
	}
	for d := range r.transfers {
		n.Digests[d] = true
	}
	e.reply <- n
}

// keepsNeedlessly reports whether the version that stands by is neither wanted nor
// what a rollback would return to.
func (x *dist) keepsNeedlessly() bool {
	return x.rec.Kept != "" && x.rec.Standing != nil && x.rec.Trial == nil && x.wanted != nil &&
		x.rec.Kept != x.wanted.Digest && x.rec.Kept != kept(x.wanted)
}

type keptDropped struct {
	dist   string
	digest artifact.Digest
}

func (e keptDropped) apply(r *Reconciler) {
	if x := r.dists[e.dist]; x != nil {
		x.dropped = &e.digest
		r.noteDropped(x)
	}
}

// noteDropped takes note that a version kept was deleted, once no worker is left
// that could say otherwise.
func (r *Reconciler) noteDropped(x *dist) {
	if x.dropped == nil || x.worker != nil {
		return
	}
	if x.rec.Kept == x.dropped.String() && r.dists[x.name] == x {
		r.noteKept(x, finished{})
	}
	x.dropped = nil
}

// collectNowAndThen runs until ctx ends.
func (r *Reconciler) collectNowAndThen(ctx context.Context) {
	tick := time.NewTicker(collectInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.done:
			return
		case <-tick.C:
		}
		items, err := r.Collect(ctx, false)
		if err != nil && !errors.Is(err, ErrStopped) {
			r.log.Debug("nothing is collected", "error", err)
		}
		for _, item := range items {
			r.log.Info("collected", "path", item.Path, "bytes", item.Bytes, "reason", item.Reason)
		}
	}
}

// account notes what a distribution holds on this node.
func (r *Reconciler) account(x *dist) {
	standing := int64(0)
	if x.rec.Standing != nil {
		standing = x.rec.StandingBytes
	}
	r.cfg.Budget.Set(x.name+" standing", standing)
	r.cfg.Budget.Set(x.name+" kept", x.rec.KeptBytes)
	if x.worker == nil && x.staged == nil && !switches(x.task) {
		r.cfg.Budget.Set(stagedPurpose(x.name), 0)
	}
}

func stagedPurpose(dist string) string { return dist + " staged" }

// reserve notes that the whole content is going to be staged, unless it is kept
// already.
func (w *worker) reserve(ctx context.Context, m *artifact.Manifest) error {
	size := int64(m.Size())
	if w.rec.Kept == w.wanted.Digest {
		size = 0
	}
	return w.budget.Reserve(ctx, stagedPurpose(w.name), w.wanted.Path, size)
}

// unaccount forgets what a distribution held.
func (r *Reconciler) unaccount(x *dist) {
	for _, purpose := range []string{x.name + " standing", x.name + " kept", stagedPurpose(x.name)} {
		r.cfg.Budget.Set(purpose, 0)
	}
}
