package node

import (
	"bytes"
	"slices"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Config is what a Machine is made from.
type Config struct {
	Self     unit.NodeID
	Addr     string // host:port that peers dial
	Location unit.Location
	Seed     uint64 // of everything that is left to chance
	// Download and Upload bound the block payload of all transfers together until
	// BudgetsChanged. Zero lets nothing pass; unit.Unlimited is no bound.
	Download, Upload unit.Rate
	Strategy         Strategy
}

// Machine decides for one node. It is not safe for concurrent use; its caller
// is its owner.
type Machine struct {
	cfg       Config
	rand      *unit.Rand
	down, up  *direction
	moved     map[bandwidth.Rank]*moved
	uploads   uploads
	transfers map[artifact.Digest]*transfer
	order     []artifact.Digest // keys of transfers, sorted
	turn      int               // of transfers, when woken
	storeDown bool
}

// New returns a machine that takes part in nothing.
func New(now unit.Time, c Config) *Machine {
	if c.Strategy == (Strategy{}) {
		c.Strategy = DefaultStrategy()
	}
	m := &Machine{
		rand:      unit.NewRand(c.Seed),
		down:      newDirection(now, c, false),
		up:        newDirection(now, c, true),
		moved:     map[bandwidth.Rank]*moved{},
		transfers: map[artifact.Digest]*transfer{},
	}
	if !c.Strategy.Overlay {
		c.Location = unit.Root // where there is one group only
	}
	m.cfg = c
	return m
}

// Step takes an event into account and appends what is to be done.
func (m *Machine) Step(now unit.Time, ev Event, out []Action) []Action {
	switch ev := ev.(type) {
	case Joined:
		return m.join(now, ev, out)
	case Left:
		return m.leave(ev, out)
	case StoreDown:
		m.storeDown = true
		m.each(func(t *transfer) { t.overlay.StoreDown() })
		return out
	case StoreUp:
		m.storeDown = false
		m.each(func(t *transfer) { t.overlay.StoreUp(now) })
		return m.wake(now, out)
	case BudgetsChanged:
		return m.budgetsChanged(now, ev, out)
	case Wake:
		return m.wake(now, out)
	}
	return m.stepTransfer(now, ev, out)
}

// stepTransfer handles the events that belong to one transfer. Which one that is,
// transferOf says and not the events themselves: called through an interface, each
// event would have to lie on the heap.
func (m *Machine) stepTransfer(now unit.Time, ev Event, out []Action) []Action {
	t := m.transfers[transferOf(ev)]
	if t == nil {
		return out
	}
	switch ev := ev.(type) {
	case ContentReady:
		return t.contentReady(now, ev, out)
	case ContentChanged:
		return t.contentChanged(now, ev, out)
	case ManifestBad:
		return t.manifestBad(now, out)
	case ManifestVerified:
		t.known = true
	case GroupChanged:
		return t.groupChanged(now, ev.Group, out)
	case SlotAnswered:
		return t.slotAnswered(now, ev, out)
	case PeerConnected:
		return t.connected(now, ev, out)
	case PeerDisconnected:
		return t.disconnected(now, ev.Peer, out)
	case MessageReceived:
		return t.message(now, ev.Peer, ev.Message, out)
	case BlockReceived:
		return t.blockReceived(now, ev, out)
	case BlockSent:
		t.blockSent(ev)
	case SpanStored:
		return t.spanStored(now, ev, out)
	case SpanVerified:
		return t.spanVerified(now, ev, out)
	case TransferLimited:
		return t.limited(now, ev, out)
	case LeavesReceived:
		return t.leavesReceived(now, ev, out)
	case LeavesWanted:
		return t.leavesWanted(now, ev, out)
	case SpanDoubted:
		return t.spanDoubted(now, ev, out)
	}
	return out
}

func transferOf(ev Event) artifact.Digest {
	switch ev := ev.(type) {
	case ContentReady:
		return ev.Transfer
	case ContentChanged:
		return ev.Transfer
	case ManifestBad:
		return ev.Transfer
	case ManifestVerified:
		return ev.Transfer
	case GroupChanged:
		return ev.Transfer
	case SlotAnswered:
		return ev.Transfer
	case PeerConnected:
		return ev.Transfer
	case PeerDisconnected:
		return ev.Transfer
	case MessageReceived:
		return ev.Transfer
	case BlockReceived:
		return ev.Transfer
	case BlockSent:
		return ev.Transfer
	case SpanStored:
		return ev.Transfer
	case SpanVerified:
		return ev.Transfer
	case TransferLimited:
		return ev.Transfer
	case LeavesReceived:
		return ev.Transfer
	case LeavesWanted:
		return ev.Transfer
	case SpanDoubted:
		return ev.Transfer
	}
	return artifact.Digest{}
}

func (m *Machine) join(now unit.Time, ev Joined, out []Action) []Action {
	if m.transfers[ev.Transfer] != nil {
		return out
	}
	t := newTransfer(now, m, ev)
	t.gates = m.uploads.open(t.up)
	m.transfers[ev.Transfer] = t
	i, _ := slices.BinarySearchFunc(m.order, ev.Transfer, cmpDigest)
	m.order = slices.Insert(m.order, i, ev.Transfer)
	if m.storeDown {
		t.overlay.StoreDown()
	}
	return t.enter(now, out)
}

func (m *Machine) leave(ev Left, out []Action) []Action {
	t := m.transfers[ev.Transfer]
	if t == nil {
		return out
	}
	delete(m.transfers, ev.Transfer)
	if i, found := slices.BinarySearchFunc(m.order, ev.Transfer, cmpDigest); found {
		m.order = slices.Delete(m.order, i, i+1)
	}
	m.count(t)
	m.uploads.close(t.up)
	return t.exit(out)
}

func cmpDigest(a, b artifact.Digest) int { return bytes.Compare(a[:], b[:]) }

func (m *Machine) each(f func(*transfer)) {
	for _, d := range m.order {
		f(m.transfers[d])
	}
}

// wake lets transfers take turns at being the first: a tight budget for downloads
// is spent by then.
func (m *Machine) wake(now unit.Time, out []Action) []Action {
	m.turn++
	for i := range m.order {
		d := m.order[(m.turn+i)%len(m.order)]
		out = m.transfers[d].tick(now, out)
	}
	return out
}

// Flush ends a turn: announcements and admitted uploads are appended.
func (m *Machine) Flush(now unit.Time, out []Action) []Action {
	m.each(func(t *transfer) { out = t.flush(now, out) })
	return m.uploads.admit(now, out)
}

// NextDeadline is when to Step with Wake and Flush, or Never.
func (m *Machine) NextDeadline(now unit.Time) unit.Time {
	next := m.uploads.nextDeadline(now)
	m.each(func(t *transfer) { next = min(next, t.nextDeadline(now)) })
	return next
}

// Admits reports whether the overlay names the peer in a transfer.
func (m *Machine) Admits(d artifact.Digest, peer unit.NodeID) bool {
	t := m.transfers[d]
	if t == nil {
		return false
	}
	_, named := t.overlay.Named(peer)
	return named
}

// Status is a transfer in numbers.
type Status struct {
	Role     string
	Peers    int
	Spans    int // of the content; 0 while the manifest is not known
	Have     artifact.Bitset
	Complete bool
	Missing  int // spans that are not here
	Unserved int // of these, that no connected peer has
	Counters swarm.Counters
	Accounts []swarm.Account // of each node that was ever connected, by name
}

// Status reports on a transfer; false if the node is not in it.
func (m *Machine) Status(d artifact.Digest) (Status, bool) {
	t := m.transfers[d]
	if t == nil {
		return Status{}, false
	}
	s := Status{Role: t.overlay.Role(), Peers: len(t.peers)}
	if t.swarm != nil {
		s.Have, s.Spans = t.swarm.Have(), t.swarm.Spans()
		s.Complete, s.Counters = t.swarm.Complete(), t.swarm.Counters()
		s.Missing, s.Unserved = t.swarm.Missing()
		s.Accounts = t.swarm.Accounts()
	}
	return s, true
}

// member is the node's own record in a transfer, without its limits.
func (m *Machine) member(initial bool) overlay.Member {
	return overlay.Member{Node: m.cfg.Self, Addr: m.cfg.Addr, Location: m.cfg.Location, Initial: initial}
}
