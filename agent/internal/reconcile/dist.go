package reconcile

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// dist is the work on one distribution. It is touched only by run.
type dist struct {
	name   string
	rec    *Record
	wanted *api.Distribution // nil if this node has to forget it
	task   Task
	worker *worker // carries out a task now, or nil
	// switching says that the worker has begun to change what stands.
	switching bool
	// placement is what stands, opened; nil if nothing does or it is not opened
	// yet. The worker may use it; only run replaces and closes it.
	placement *storage.Placement
	// staged is what waits to be switched to, as rec.staged says; nil if only
	// owners and modes will change. It is handed to the worker that needs it.
	staged    *storage.Placement
	failures  int // in a row
	retryAt   time.Time
	nextCheck time.Time
	told      int // repairs that were reported
	// dropped is the version kept that was deleted while the worker ran, which may
	// have seen it before; nil for none.
	dropped *artifact.Digest
	// before is the traffic of earlier transfers of the status's digest, to which
	// that of the present one is added.
	before traffic
}

func recall(rec *Record) *dist {
	return &dist{name: rec.Name, rec: rec, told: rec.Status.Repaired, before: trafficOf(&rec.Status)}
}

// replan decides anew what to do, and gives up running tasks that are not wanted
// any more.
func (r *Reconciler) replan() {
	w := World{Node: r.cfg.Self, Store: r.desired.Store, Distributions: r.desired.Distributions,
		Records: map[string]*Record{}, Artifacts: r.desired.Artifacts, Trust: r.cfg.Trust, Hooks: r.cfg.Hooks, Holds: r.holds()}
	for name, x := range r.dists {
		w.Records[name] = x.rec
	}
	plan := Plan(w)
	for name, task := range plan {
		if r.dists[name] == nil {
			r.dists[name] = recall(&Record{Name: name})
		}
		r.dists[name].assign(task)
	}
	for _, x := range r.dists {
		x.wanted = nil
	}
	r.activator.set(r.undecided(), r.cfg.Now())
	for i := range r.desired.Distributions {
		d := &r.desired.Distributions[i]
		if x := r.dists[d.Name]; x != nil && plan[d.Name] != (Forget{}) {
			r.want(x, d)
		}
	}
}

// want makes d what is wanted of a distribution. If a store without its reports
// wants again what stands, they are said again.
func (r *Reconciler) want(x *dist, d *api.Distribution) {
	x.wanted = d
	if x.rec.Store != r.desired.Store {
		x.rec.Store = r.desired.Store
		if x.rec.Wanted.Name != "" { // else nothing was begun
			r.save(x)
		}
		if x.task == (Check{}) {
			r.report(x, true)
		}
	}
}

// assign makes the task the one to do. Another one than before is tried at once.
func (x *dist) assign(t Task) {
	if x.task != t {
		x.task, x.failures, x.retryAt = t, 0, time.Time{}
	}
}

// advance starts what is due and can start.
func (r *Reconciler) advance(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	for _, x := range r.sortedDists() {
		if x.worker != nil {
			x.cancelUnwanted(r.cfg.Now())
		} else if !x.retryAt.After(r.cfg.Now()) {
			r.begin(ctx, x)
		}
		r.keep(ctx, x)
	}
	r.syncPending()
	r.syncHeld()
}

// cancelUnwanted ends the running task if another one is to be done. A fetch
// that leads to the same bytes at the same place goes on.
func (x *dist) cancelUnwanted(now time.Time) {
	running := x.worker.task
	if x.worker.upkeep {
		if x.upkeep(now) != running {
			x.worker.cancel()
		}
		return
	}
	if running == x.task {
		return
	}
	if _, stop := x.task.(Stopped); stop && x.switching {
		return // it ends: what stands and what is recorded would not agree
	}
	was, fetches := needs(running)
	is, fetch := needs(x.task)
	if fetches && fetch && was == is && sameRequest(&x.worker.wanted, x.wanted) {
		return
	}
	x.worker.cancel()
}

func (r *Reconciler) begin(ctx context.Context, x *dist) {
	r.dropUnwanted(x)
	switch t := x.task.(type) {
	case nil, Removed, Keep:
	case Refuse:
		r.refuse(x, t)
	case Adopt:
		r.adopt(x, t)
	case Wait:
		r.await(x, t)
	case Stopped:
		r.stopped(x, t)
	case Check:
		if !x.nextCheck.After(r.cfg.Now()) && !r.openingSource(x.rec.Standing.Digest) {
			r.start(ctx, x)
		}
	case Forget, Remove:
		r.closeStaged(x)
		r.withdraw(x.placement)
		r.start(ctx, x)
	case Verify:
		r.start(ctx, x)
	case Place, Replace, Stage, Repair:
		r.setPending(x)
		if d, _ := needs(t); r.fetcher(d) == nil && !r.opening[d] {
			r.freeStaging(x)
			r.start(ctx, x)
		}
	}
}

// openingSource reports whether a published source of the artifact is about to be
// open, to copy from instead of fetching.
func (r *Reconciler) openingSource(digest string) bool {
	d, err := artifact.ParseDigest(digest)
	return err == nil && r.opening[d]
}

// freeStaging closes a damaged placement whose repair is overtaken by another
// version, since both would work in one staging directory.
func (r *Reconciler) freeStaging(x *dist) {
	if x.placement != nil && !isRepair(x.task) && !x.placement.Installed() {
		r.closePlacement(x)
	}
}

// fetcher is the distribution of which a task already fetches the artifact, nil if
// there is none: what it gets to stand here is then reused by the others.
func (r *Reconciler) fetcher(d artifact.Digest) *dist {
	for _, x := range r.dists {
		if x.worker == nil {
			continue
		}
		if busy, ok := needs(x.worker.task); ok && busy == d {
			return x
		}
	}
	return nil
}

func (r *Reconciler) start(ctx context.Context, x *dist) {
	if x.wanted != nil {
		x.rec.begin(*x.wanted)
		r.save(x)
	}
	r.startWorker(ctx, x, &worker{task: x.task, wanted: x.rec.Wanted})
}

// startWorker completes a worker that knows its task, and starts it.
func (r *Reconciler) startWorker(ctx context.Context, x *dist, w *worker) {
	ctx, w.cancel = context.WithCancel(ctx)
	readers := r.readers()
	r.shared.Store(&readers)
	w.name, w.rec, w.placement, w.sources = x.name, *x.rec, x.placement, r.sharedReaders
	w.budget = r.cfg.Budget
	w.storage, w.trust, w.hooks, w.slots, w.send = r.cfg.Storage, r.cfg.Trust, r.cfg.Hooks, r.slots, r.mail.put
	if switches(w.task) {
		w.staged, w.stagedFor = x.staged, x.rec.staged
		x.staged, x.rec.staged = nil, nil
	}
	if d, ok := needs(w.task); ok {
		w.record = r.desired.Artifacts[d.String()]
	}
	x.worker, x.switching = w, false
	r.workers.Go(func() { w.run(ctx) })
}

// switches reports whether the task works on what is staged.
func switches(t Task) bool {
	switch t.(type) {
	case Place, Replace, Stage:
		return true
	}
	return false
}

// readers returns the content on this node that may be copied from: published
// sources and what stands, whatever the artifact.
func (r *Reconciler) readers() []storage.Reader {
	var list []storage.Reader
	for _, d := range slices.SortedFunc(maps.Keys(r.sources), compareDigests) {
		list = append(list, r.sources[d])
	}
	for _, x := range r.sortedDists() {
		if x.placement != nil {
			list = append(list, x.placement)
		}
		if x.staged != nil {
			list = append(list, x.staged)
		}
	}
	return list
}

// sharedReaders returns what readers found when a task began last. It may be
// called from any goroutine. Placements hold on to this function, and so to no
// content that went before or stands elsewhere.
func (r *Reconciler) sharedReaders() []storage.Reader { return *r.shared.Load() }

func compareDigests(a, b artifact.Digest) int { return bytes.Compare(a[:], b[:]) }

func isRepair(t Task) bool {
	_, ok := t.(Repair)
	return ok
}

// syncPending tells which artifacts this node is fetching.
func (r *Reconciler) syncPending() {
	wanted := map[artifact.Digest]struct{}{}
	for _, x := range r.dists {
		if x.worker == nil {
			continue
		}
		if d, ok := needs(x.worker.task); ok {
			wanted[d] = struct{}{}
		}
	}
	r.pending.set(wanted)
}

// current reports whether the worker still works for the loop.
func (r *Reconciler) current(w *worker) bool {
	x := r.dists[w.name]
	return x != nil && x.worker == w
}

func (r *Reconciler) save(x *dist) {
	r.account(x)
	if err := r.state.saveRecord(x.rec); err != nil && r.said.News(r.cfg.Now(), x.name, err.Error()) {
		r.log.Error("placement is not recorded for a restart", "distribution", x.name, "error", err)
	}
}

func (r *Reconciler) closePlacement(x *dist) {
	r.close(x.placement)
	x.placement = nil
}

// close withdraws a placement from its transfer, if it is in one, and closes it.
func (r *Reconciler) close(p *storage.Placement) {
	if p == nil {
		return
	}
	r.withdraw(p)
	if err := p.Close(); err != nil {
		r.log.Warn("placement is not closed cleanly", "digest", p.Manifest().Digest(), "error", err)
	}
}
