package node

import (
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// TransferLimited says how urgent one transfer is, and bounds its block payload
// beside that of all of them, until the next such event. Zero lets nothing pass:
// what was requested is withdrawn, and what peers request is refused until it ends.
// At first it is bandwidth.Normal and has no bound.
type TransferLimited struct {
	Transfer         artifact.Digest
	Rank             bandwidth.Rank
	Download, Upload bandwidth.Budget
}

func (TransferLimited) isEvent() {}

// Bound says which limit binds a direction of a transfer.
type Bound uint8

// The bounds.
const (
	Unbound       Bound = iota
	NodeBound           // that of all transfers together
	TransferBound       // that of this one
)

// Bounds says which limits bind what a transfer receives and sends.
func (m *Machine) Bounds(now unit.Time, d artifact.Digest) (download, upload Bound) {
	t := m.transfers[d]
	if t == nil {
		return Unbound, Unbound
	}
	return t.down.bound(now), t.up.bound(now)
}

// bound is what holds back what is held back longest.
func (l *lane) bound(now unit.Time) Bound {
	bound, latest := Unbound, unit.Time(-1)
	for uplinks := range l.held {
		if at := l.Lane.ReadyAt(now, uplinks); l.binds(now, uplinks) && at > latest {
			bound, latest = NodeBound, at
			if l.Binding(now, uplinks) == l.ceiling.Binding {
				bound = TransferBound
			}
		}
	}
	return bound
}

// Bindings says what holds back what a transfer receives and sends, by how many
// uplinks of the node's locations lie between it and its peers: from 0, which are
// those in its own location, to all. Where nothing was held back within the last
// second the reason is bandwidth.Open.
func (m *Machine) Bindings(now unit.Time, d artifact.Digest) (download, upload []bandwidth.Binding) {
	t := m.transfers[d]
	if t == nil {
		return nil, nil
	}
	return t.down.bindings(now), t.up.bindings(now)
}

func (l *lane) bindings(now unit.Time) []bandwidth.Binding {
	list := make([]bandwidth.Binding, len(l.held))
	for uplinks := range list {
		list[uplinks] = noCeiling(l.way.up).Binding
		if l.binds(now, uplinks) {
			list[uplinks] = l.Binding(now, uplinks)
		}
	}
	return list
}

// limited applies limits to a transfer.
func (t *transfer) limited(now unit.Time, ev TransferLimited, out []Action) []Action {
	t.m.count(t) // what it has moved so far was of its old rank
	t.down.set(now, ev.Rank, ev.Download)
	t.up.set(now, ev.Rank, ev.Upload)
	return t.tick(now, t.limitsChanged(now, out))
}

// limitsChanged takes back what limits let through no longer.
func (t *transfer) limitsChanged(now unit.Time, out []Action) []Action {
	t.overlay.Limit(now, t.passes())
	if uplinks, closed := t.up.closedFrom(); closed {
		out = t.refuseQueued(uplinks, out)
	}
	if uplinks, closed := t.down.closedFrom(); closed && t.swarm != nil {
		return t.swarmActions(now, t.swarm.Withdraw(uplinks, nil), out)
	}
	return out
}

// passes is what the limits that people set let pass of the transfer, as its groups
// are told; 0 is none. What follows from measurements changes too often.
func (t *transfer) passes() unit.Rate {
	least := unit.Unlimited
	for _, b := range []bandwidth.Budget{t.down.nested().Budget(0), t.up.nested().Budget(0), t.down.ceiling, t.up.ceiling} {
		switch b.Binding.Reason {
		case bandwidth.Group, bandwidth.Distribution, bandwidth.Window, bandwidth.Paused:
			least = min(least, b.Rate)
		}
	}
	if least == unit.Unlimited {
		return 0
	}
	return max(least, overlay.Paused)
}

func (l *lane) nested() *bandwidth.Nested { return l.way.nested }

// pausedFor is after what time a peer asks again of a transfer that sends nothing.
const pausedFor = 500 * time.Millisecond

// refuseQueued refuses what waits to be sent across so many uplinks or more.
func (t *transfer) refuseQueued(uplinks int, out []Action) []Action {
	taken := t.m.uploads.take(func(u upload) bool { return u.gate.lane == t.up && u.gate.uplinks >= uplinks })
	for _, b := range taken {
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
