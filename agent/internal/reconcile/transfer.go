package reconcile

import (
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/storage"
	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// linger is how long a node keeps seeding after nobody needs the artifact any
// more: nodes of one distribution finish within seconds of one another.
const linger = 3 * time.Second

// transfer is this node's part in moving one artifact. It is touched only by run.
//
// Invariant: at most one of manifest and spans waits, since one task per digest
// fetches at a time.
type transfer struct {
	digest artifact.Digest
	// content is what was provided; nil while the manifest is fetched.
	content swarmapi.Content
	// owner is the distribution whose content it is, or that waits for the
	// manifest; "" for a published source. It is credited with the traffic.
	owner    string
	manifest chan<- *artifact.Manifest // waits for the manifest, or nil
	spans    chan<- error              // waits for the last span, or nil
	needed   time.Time                 // when it was last known that some node needs the artifact
	told     int                       // spans that peers know of after content shrank
	halted   bool                      // a span could not be written: it fetches no more
	limits   limits                    // that the swarm was told
	starving time.Time                 // since when no peer has anything for it; zero: not so
}

func (t *transfer) waiting() bool { return t.manifest != nil || t.spans != nil }

// idle reports whether the transfer offers nothing and asks for nothing: the
// manifest came, and then nothing had to be fetched.
func (t *transfer) idle() bool { return t.content == nil && !t.waiting() }

// join returns the digest's transfer, entered if it was not yet.
func (r *Reconciler) join(d artifact.Digest, owner string, initial bool) *transfer {
	t := r.transfers[d]
	if t == nil {
		t = &transfer{digest: d, owner: owner, needed: r.cfg.Now(), limits: unlimited()}
		r.transfers[d] = t
		r.cfg.Swarm.Join(d, swarmapi.JoinOptions{Initial: initial, ManifestSize: r.manifestSize(d)})
		r.steerOne(t)
		r.log.Info("joined transfer", "digest", d, "distribution", owner, "initial", initial)
	}
	return t
}

// leave ends this node's part in a transfer, if there is one.
func (r *Reconciler) leave(d artifact.Digest) {
	t := r.transfers[d]
	if t == nil {
		return
	}
	r.settle(t)
	delete(r.transfers, d)
	r.cfg.Swarm.Leave(d)
	if x := r.dists[t.owner]; x != nil {
		r.report(x, false)
	}
	r.log.Info("left transfer", "digest", d, "distribution", t.owner)
}

// withdraw ends the transfer in which the placement takes part, if there is one.
// What another holder here still has is offered again when somebody asks.
func (r *Reconciler) withdraw(p *storage.Placement) {
	if p == nil {
		return
	}
	d := p.Manifest().Digest()
	if t := r.transfers[d]; t != nil && t.content == swarmapi.Content(p) {
		r.leave(d)
	}
}

// provide makes content the digest's content on this node. Other content that
// was provided before is withdrawn first; a transfer that has halted starts anew.
func (r *Reconciler) provide(d artifact.Digest, owner string, m *artifact.Manifest, c swarmapi.Content, initial bool) *transfer {
	if t := r.transfers[d]; t != nil && t.content != nil && (t.content != c || t.halted) {
		r.leave(d)
	}
	t := r.join(d, owner, initial)
	t.owner = owner
	if t.content == nil {
		t.content = c
		r.cfg.Swarm.Provide(d, m, c)
	} else {
		r.cfg.Swarm.SpansLost(d, c.Have())
	}
	return t
}

func (r *Reconciler) handleNotice(n swarmapi.Notice) {
	switch n := n.(type) {
	case swarmapi.ManifestFetched:
		if t := r.transfers[n.Digest]; t != nil && t.manifest != nil {
			t.manifest <- n.Manifest
			t.manifest = nil
		}
	case swarmapi.Completed:
		if t := r.transfers[n.Digest]; t != nil && t.content != nil && t.content.Have().Full() {
			t.finish(nil)
			t.needed = r.cfg.Now()
		}
	case swarmapi.Failed:
		r.handleFailed(n)
	case swarmapi.Asked:
		r.asked(n.InfoHash)
	}
}

// handleFailed ends a fetch that cannot go on. A seeder whose content shrank has
// nowhere to write: it goes on with what it has.
func (r *Reconciler) handleFailed(n swarmapi.Failed) {
	t := r.transfers[n.Digest]
	if t == nil {
		return
	}
	t.halted = true
	if t.spans == nil {
		r.log.Debug("transfer fetches no more", "digest", n.Digest, "error", n.Err)
		return
	}
	t.finish(n.Err)
}

// finish answers who waits for the spans.
func (t *transfer) finish(err error) {
	if t.spans != nil {
		t.spans <- err
		t.spans = nil
	}
}

// fetchManifest is a worker's wish for a manifest from peers.
type fetchManifest struct {
	worker *worker
	digest artifact.Digest
	reply  chan<- *artifact.Manifest // has room for the answer
}

func (e fetchManifest) apply(r *Reconciler) {
	if !r.current(e.worker) {
		return
	}
	if t := r.transfers[e.digest]; t != nil && t.manifest == nil {
		r.leave(e.digest) // the manifest came, and is lost on disk: peers send it again
	}
	t := r.join(e.digest, e.worker.name, false)
	t.owner, t.manifest = e.worker.name, e.reply
}

// fetchSpans is a worker's wish that content becomes complete.
type fetchSpans struct {
	worker   *worker
	manifest *artifact.Manifest
	content  swarmapi.Content
	reply    chan<- error // has room for the answer
}

func (e fetchSpans) apply(r *Reconciler) {
	if !r.current(e.worker) {
		return
	}
	r.dists[e.worker.name].switching = false // what it was to switch to is not all there
	t := r.provide(e.manifest.Digest(), e.worker.name, e.manifest, e.content, false)
	t.spans = e.reply
	if e.content.Have().Full() { // the last span came between the asking and now
		t.finish(nil)
	}
}

// abandon ends the wait of a task that did not succeed. Content that is not
// complete is withdrawn: nobody writes it any more.
func (r *Reconciler) abandon(d artifact.Digest, owner string) {
	t := r.transfers[d]
	if t == nil || t.owner != owner {
		return
	}
	if t.waiting() || t.content == nil || !t.content.Have().Full() {
		r.leave(d)
	}
}
