package node

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// BudgetsChanged says what block payload the node may move over each hop of its way
// to the root from now on, of all transfers together; see bandwidth.Nested. Hop 0 is
// its own link: what was Config.Download and Config.Upload before. A rate of zero
// lets nothing pass; a hop that is not listed has no limit of its own.
type BudgetsChanged struct{ Download, Upload []bandwidth.Budget }

// TransferLimited says how urgent one transfer is, and bounds its block payload
// beside that of all of them, until the next such event. Zero lets nothing pass:
// what was requested is withdrawn, and what peers request is refused until it ends.
// At first it is bandwidth.Normal and has no bound.
type TransferLimited struct {
	Transfer         artifact.Digest
	Rank             bandwidth.Rank
	Download, Upload bandwidth.Budget
}

func (BudgetsChanged) isEvent()  {}
func (TransferLimited) isEvent() {}

// HopDemand is what transfers of one rank want of one direction of one hop.
type HopDemand struct {
	Hop  int
	Up   bool
	Rank bandwidth.Rank
	// Wants: more would be moved over the hop now if the budgets allowed it.
	Wants bool
	// Moved is the block payload that has crossed the hop since the machine began.
	Moved unit.Bytes
}

// bindTime is how long a limit counts as binding after it held something back.
const bindTime = time.Second

// limit is a bucket that remembers when it held something back last.
type limit struct {
	*bandwidth.Bucket
	held unit.Time // 0: never
}

func newLimit(now unit.Time, rate unit.Rate) *limit {
	return &limit{Bucket: bandwidth.NewBucket(now, rate)}
}

// Allows reports whether something may pass now. The caller has something that
// would.
func (l *limit) Allows(now unit.Time) bool {
	if l.Bucket.Allows(now) {
		return true
	}
	l.held = max(now, 1)
	return false
}

// binds reports whether it has held something back of late.
func (l *limit) binds(now unit.Time) bool { return l.held > 0 && now.Sub(l.held) < bindTime }

// closed reports whether it lets nothing pass.
func (l *limit) closed() bool { return l.Rate() == 0 }

// Bound says which limit binds a direction of a transfer.
type Bound uint8

// The bounds.
const (
	Unbound       Bound = iota
	NodeBound           // that of all transfers together
	TransferBound       // that of this one
)

// boundBy says which of two limits binds: of both, the one that holds back longer.
func boundBy(now unit.Time, own, all *limit) Bound {
	switch {
	case own.binds(now) && (!all.binds(now) || own.ReadyAt(now) >= all.ReadyAt(now)):
		return TransferBound
	case all.binds(now):
		return NodeBound
	}
	return Unbound
}

// Bounds says which limits bind what a transfer receives and sends.
func (m *Machine) Bounds(now unit.Time, d artifact.Digest) (download, upload Bound) {
	t := m.transfers[d]
	if t == nil {
		return Unbound, Unbound
	}
	return boundBy(now, t.download, m.download), boundBy(now, t.uploadLimit, m.uploads.all)
}

// requests is the budget of one transfer's requests.
type requests struct{ own, all *limit }

// Allows asks both, so that both know whether they hold something back.
func (r requests) Allows(now unit.Time, _ int) bool {
	own, all := r.own.Allows(now), r.all.Allows(now)
	return own && all
}

func (r requests) Take(now unit.Time, _ int, n unit.Bytes) {
	r.own.Take(now, n)
	r.all.Take(now, n)
}

func (r requests) Return(_ int, n unit.Bytes) {
	r.own.Return(n)
	r.all.Return(n)
}

func (r requests) ReadyAt(now unit.Time, _ int) unit.Time {
	return max(r.own.ReadyAt(now), r.all.ReadyAt(now))
}

var _ swarm.Budget = requests{}

func (m *Machine) budgetsChanged(now unit.Time, ev BudgetsChanged, out []Action) []Action {
	m.cfg.Download, m.cfg.Upload = unit.Unlimited, unit.Unlimited
	if len(ev.Download) > 0 {
		m.cfg.Download = ev.Download[0].Rate
	}
	if len(ev.Upload) > 0 {
		m.cfg.Upload = ev.Upload[0].Rate
	}
	m.download.SetRate(now, m.cfg.Download)
	m.uploads.all.SetRate(now, m.cfg.Upload)
	m.each(func(t *transfer) { t.overlay.Limit(now, t.passes()) })
	return m.wake(now, out)
}

// limited applies limits to a transfer, and takes back what a closed one does not
// let through.
func (t *transfer) limited(now unit.Time, ev TransferLimited, out []Action) []Action {
	t.download.SetRate(now, ev.Download.Rate)
	t.uploadLimit.SetRate(now, ev.Upload.Rate)
	t.overlay.Limit(now, t.passes())
	if t.uploadLimit.closed() {
		out = t.refuseQueued(out)
	}
	if t.download.closed() && t.swarm != nil {
		return t.swarmActions(now, t.swarm.Withdraw(0, nil), out)
	}
	return t.tick(now, out)
}

// passes is what the limits let pass of the transfer, as its groups are told.
func (t *transfer) passes() unit.Rate {
	return passes(t.m.cfg.Download, t.m.cfg.Upload, t.download.Rate(), t.uploadLimit.Rate())
}

// passes is the lowest limit, as members of groups are told; 0 is none.
func passes(limits ...unit.Rate) unit.Rate {
	least := slices.Min(limits)
	if least == unit.Unlimited {
		return 0
	}
	return max(least, overlay.Paused)
}

// pausedFor is after what time a peer asks again of a transfer that sends nothing.
const pausedFor = 500 * time.Millisecond

// refuseQueued refuses what waits to be sent.
func (t *transfer) refuseQueued(out []Action) []Action {
	for _, b := range t.m.uploads.takeTransfer(t.digest) {
		out = t.send(b.Peer, pausedRejection(b.Block), out)
	}
	return out
}

func pausedRejection(b swarm.Block) wire.Message {
	return wire.SpanReject{
		Span: uint32(b.Span), Begin: uint32(b.Begin), Length: uint32(b.Length),
		Reason: wire.ReasonPaused, RetryAfterMs: uint32(pausedFor.Milliseconds()),
	}
}
