package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/api"
)

// progress is what a worker says on its way.
type progress struct {
	worker      *worker
	phase       api.Phase
	done, total int64 // bytes; total is 0 where they do not matter
}

func (w *worker) progress(phase api.Phase, done, total int64) {
	w.send(progress{w, phase, done, total})
}

func (e progress) apply(r *Reconciler) {
	if !r.current(e.worker) {
		return
	}
	if e.worker.upkeep {
		return // the report is about what is wanted
	}
	x := r.dists[e.worker.name]
	s := &x.rec.Status
	changed := s.Phase != e.phase
	if e.total > 0 {
		s.BytesTotal, s.BytesDone = e.total, e.done
	}
	if !isRepair(e.worker.task) {
		r.countReused(x, e)
	}
	s.Phase, s.Error = e.phase, nil
	r.report(x, changed)
}

// countReused notes what a placement took from this node's own disk, when it
// turns to peers or has no need to. What a restarted agent then finds staged was
// counted before, or came from peers.
func (r *Reconciler) countReused(x *dist, e progress) {
	switch {
	case x.rec.Fetching:
	case e.phase == api.PhaseFetching:
		x.rec.Fetching = true
		x.rec.Status.BytesReused = e.done
		r.save(x)
	case e.phase == api.PhaseInstalling:
		x.rec.Status.BytesReused = e.total
	}
}

// phase changes the phase and reports it at once.
func (r *Reconciler) phase(x *dist, p api.Phase) {
	x.rec.Status.Phase, x.rec.Status.Error = p, nil
	r.report(x, true)
}

// setPending begins the report on a new piece of work.
func (r *Reconciler) setPending(x *dist) {
	s := &x.rec.Status
	if s.Generation == x.wanted.Generation && s.Phase != api.PhaseInstalled && s.Phase != api.PhaseRemoved && s.Phase != "" {
		return // another try of it
	}
	if x.rec.Standing == nil || x.rec.Standing.Digest != x.wanted.Digest || s.Digest != x.wanted.Digest {
		now := r.cfg.Now()
		*s = api.NodeStatus{StartedAt: &now}
		s.BytesTotal = r.desired.Artifacts[x.wanted.Digest].SizeBytes
		x.before, x.rec.Fetching = traffic{}, false
	}
	r.phase(x, api.PhasePending)
}

// standing reports content that stands as it should, and records it.
func (r *Reconciler) standing(x *dist) {
	s := &x.rec.Status
	before := *s
	x.rec.Fetching = false
	s.Phase, s.Error = api.PhaseInstalled, nil
	s.BytesTotal = int64(x.placement.Manifest().Size())
	s.BytesDone = s.BytesTotal
	x.rec.StandingBytes = s.BytesTotal
	if before.Phase != s.Phase || before.Drifted || before.Generation != x.rec.Standing.Generation ||
		before.Verified != x.rec.Verified || before.BytesTotal != s.BytesTotal || x.told != s.Repaired {
		x.told = s.Repaired
		r.report(x, true)
		r.save(x)
	}
}

// fail reports an error and schedules the next try.
func (r *Reconciler) fail(x *dist, err *api.Error) {
	x.failures++
	x.retryAt = r.cfg.Now().Add(retryDelay(x.failures, err, r.rng))
	s := &x.rec.Status
	changed := s.Phase != api.PhaseFailed || s.Error == nil || *s.Error != *err
	s.Phase, s.Error = api.PhaseFailed, err
	r.report(x, changed)
}

// refuse reports why nothing is done, and looks again later: a missing artifact
// may be published, and its record may be signed anew.
func (r *Reconciler) refuse(x *dist, t Refuse) {
	if x.failures == 0 {
		r.log.Warn("distribution is refused", "distribution", x.name, "error", &t.Error)
	} else {
		r.reader.kick()
	}
	r.fail(x, &t.Error)
}

// report completes the status with what is known and queues it.
func (r *Reconciler) report(x *dist, urgent bool) {
	s := &x.rec.Status
	s.Node, s.Location = r.cfg.Self.Name, r.cfg.Self.Location
	s.UpdatedAt = r.cfg.Now()
	s.Drifted, s.Verified = x.rec.Drifted, x.rec.Verified
	s.Kept, s.KeptBytes = x.rec.Kept, x.rec.KeptBytes
	about := x.wanted
	if x.worker != nil && !x.worker.upkeep && about != nil {
		about = &x.worker.wanted
	}
	if about == nil {
		return // to be forgotten: nobody wants to know
	}
	s.Generation, s.Digest = about.Generation, about.Digest
	s.Installed = x.rec.installed(about)
	s.Rate, s.Role, s.Peers, s.Waiting = 0, "", 0, "" // of the moment: without a transfer there are none
	s.Held, s.Top = r.heldNow(x), nil
	s.Reasons = r.reasons(x, nil, nil)
	switch t := r.transferOf(x); {
	case t == nil:
	case t.owner == x.name:
		r.credit(t)
	default:
		r.explain(x, t)
	}
	r.reporter.put(x.name, clone(s), urgent)
}

// clone copies what the loop goes on to change in place.
func clone(s *api.NodeStatus) api.NodeStatus {
	c := *s
	c.Received.ByLevel = append([]int64{}, s.Received.ByLevel...)
	c.Reasons, c.Top = slices.Clone(s.Reasons), slices.Clone(s.Top)
	if s.Held != nil {
		held := *s.Held
		c.Held = &held
	}
	return c
}

// reportAll reports everything again.
func (r *Reconciler) reportAll() {
	r.lastFull = r.cfg.Now()
	for _, x := range r.sortedDists() {
		if x.rec.Status.Phase != "" {
			r.report(x, true)
		}
	}
}

// reportTraffic reports on distributions whose transfers move.
func (r *Reconciler) reportTraffic() {
	for _, t := range r.sortedTransfers() {
		x := r.dists[t.owner]
		if x == nil {
			r.reportSending(t)
			continue
		}
		before := x.rec.Status
		r.credit(t)
		if s := &x.rec.Status; s.Sent != before.Sent || s.Rate != before.Rate || s.BytesDone != before.BytesDone ||
			s.Role != before.Role || s.Peers != before.Peers || s.Waiting != before.Waiting || !slices.Equal(s.Reasons, before.Reasons) {
			r.report(x, s.Waiting != before.Waiting)
		}
	}
}

// reportSending reports on the distributions whose artifact a published source gives
// to others, when something else holds it back than before.
func (r *Reconciler) reportSending(t *transfer) {
	for _, x := range r.sortedDists() {
		if x.rec.Status.Digest != t.digest.String() {
			continue
		}
		before := x.rec.Status.Reasons
		r.explain(x, t)
		if !slices.Equal(x.rec.Status.Reasons, before) {
			r.report(x, false)
		}
	}
}

func taskName(t Task) string {
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", t), "reconcile."))
}

// traffic is block payload.
type traffic struct {
	received api.Received
	sent     int64
}

func trafficOf(s *api.NodeStatus) traffic { return traffic{s.Received, s.Sent} }

func (t traffic) plus(s swarmapi.Stats) traffic {
	sum := traffic{api.Received{
		Seeder:    t.received.Seeder + s.Received.Seeder,
		Duplicate: t.received.Duplicate + s.Received.Duplicate,
		Foreign:   t.received.Foreign + s.Received.Foreign,
	}, t.sent + s.Sent}
	for i := range max(len(t.received.ByLevel), len(s.Received.ByLevel)) {
		n := int64(0)
		for _, from := range [][]int64{t.received.ByLevel, s.Received.ByLevel} {
			if i < len(from) {
				n += from[i]
			}
		}
		sum.received.ByLevel = append(sum.received.ByLevel, n)
	}
	return sum
}

// transferOf returns the transfer of the digest that the distribution's status speaks
// of, or nil. What takes part in it is its owner's content.
func (r *Reconciler) transferOf(x *dist) *transfer {
	for d, t := range r.transfers {
		if d.String() == x.rec.Status.Digest {
			return t
		}
	}
	return nil
}

// explain has the status say what this node waits for in a transfer in which other
// content than the distribution's takes part, such as a published source.
func (r *Reconciler) explain(x *dist, t *transfer) {
	if stats, ok := r.cfg.Swarm.Stats(t.digest); ok {
		x.rec.Status.Reasons = r.reasons(x, t, &stats)
	}
}

// credit brings the numbers of a transfer into its owner's status.
func (r *Reconciler) credit(t *transfer) {
	if t == nil {
		return
	}
	x := r.dists[t.owner]
	stats, ok := r.cfg.Swarm.Stats(t.digest)
	if x == nil || !ok || x.rec.Status.Digest != t.digest.String() {
		return
	}
	s := &x.rec.Status
	sum := x.before.plus(stats)
	s.Received, s.Sent = sum.received, sum.sent
	s.Role, s.Peers, s.Rate, s.Waiting = stats.Role, stats.Peers, 0, t.starved(r.cfg.Now(), stats)
	paused, _ := r.closed(t) // its rates are means that run out, of what came before
	if s.Phase == api.PhaseFetching && t.content != nil {
		s.BytesDone = max(s.BytesDone, stats.BytesDone)
		if !paused {
			s.Rate = stats.Rate
		}
	}
	if s.Held != nil {
		s.Waiting, t.starving = "", time.Time{} // for the operator alone
	}
	s.Top, s.Reasons = nil, r.reasons(x, t, &stats)
	if s.Phase == api.PhaseFetching && !paused {
		s.Top = stats.Top
	}
}

// settle keeps the numbers of a transfer that this node leaves.
func (r *Reconciler) settle(t *transfer) {
	r.credit(t)
	x := r.dists[t.owner]
	if x == nil || x.rec.Status.Digest != t.digest.String() {
		return
	}
	x.before = trafficOf(&x.rec.Status)
	r.save(x)
}
