package overlay

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Timing of the overlay. Leases are longer than three refreshes, so that one
// lost refresh changes nothing.
const (
	// MemberTTL is the lease of a record in a group; it is refreshed every
	// MemberRefresh.
	MemberTTL     = 15 * time.Second
	MemberRefresh = 4 * time.Second
	// SlotLease is how long a representative that died keeps its slot.
	SlotLease   = 6 * time.Second
	slotRenewal = 1500 * time.Millisecond
	// settleJitter bounds the random wait before a node counts representatives
	// (requirement 22), so that not everybody claims at once.
	settleJitter = 100 * time.Millisecond
	// settleLater is how much longer a node waits that is in an initial seeder's
	// part of a location which it could represent: see Group.worth.
	settleLater = 300 * time.Millisecond
	// claimRetry is when an unanswered or refused claim may be repeated.
	claimRetry = time.Second
)

// Config is what an Overlay is made from.
type Config struct {
	Self Member
	Rand *unit.Rand // jitter; owned by the overlay
}

// Overlay is the membership of one node in one transfer. It is not safe for
// concurrent use; its caller is its owner.
type Overlay struct {
	self   Member
	rand   *unit.Rand
	levels []level // levels[0] is the node's own location, the last is the root
	links  map[unit.NodeID]*link
	// distrusted are members from whom nothing is taken: see Distrust.
	distrusted map[unit.NodeID]bool
	down       bool // the store does not answer: frozen
	// keepUntil is until when peers that no group names are kept: the store came
	// back, maybe empty, and everybody is still joining again.
	keepUntil unit.Time
}

// level is one group on the way to the root.
type level struct {
	location unit.Location
	joined   bool
	seen     bool // a snapshot with ourselves in it has come
	group    Group
	slot     int // held slot of this location, or -1
	supply   supply
	// countAt is when to count representatives, refreshAt when to refresh the
	// record, renewAt when to renew the slot, yieldAt when to leave it to others.
	// Never when not due at all.
	countAt, refreshAt, renewAt, yieldAt unit.Time
}

// outside is a group that the node is not a member of.
func outside(l unit.Location) level {
	return level{location: l, slot: -1, countAt: unit.Never, refreshAt: unit.Never, renewAt: unit.Never, yieldAt: unit.Never}
}

// New returns the overlay of a node that is in no group yet.
func New(c Config) *Overlay {
	o := &Overlay{self: c.Self, rand: c.Rand, links: map[unit.NodeID]*link{}, distrusted: map[unit.NodeID]bool{}}
	for _, l := range c.Self.Location.Path() {
		o.levels = append(o.levels, outside(l))
	}
	return o
}

// Start enters the group of the node's own location, or every group if the
// node is an initial seeder.
func (o *Overlay) Start(now unit.Time, out []Action) []Action {
	last := 0
	if o.self.Initial {
		last = len(o.levels) - 1
	}
	for i := 0; i <= last; i++ {
		out = o.join(now, i, out)
	}
	return out
}

// Stop leaves every group and disconnects every peer.
func (o *Overlay) Stop(out []Action) []Action {
	for i := len(o.levels) - 1; i >= 0; i-- {
		out = o.leave(i, out)
	}
	o.keepUntil = 0
	return o.dropUnnamed(0, out)
}

func (o *Overlay) join(now unit.Time, i int, out []Action) []Action {
	l := &o.levels[i]
	l.joined = true
	l.refreshAt = now.Add(MemberRefresh)
	return append(out, Join{Location: l.location, Member: o.record(i)})
}

func (o *Overlay) leave(i int, out []Action) []Action {
	l := &o.levels[i]
	if !l.joined {
		return out
	}
	*l = outside(l.location)
	return append(out, Leave{Location: l.location})
}

// GroupChanged takes a new snapshot of a group.
func (o *Overlay) GroupChanged(now unit.Time, g Group, out []Action) []Action {
	i := slices.IndexFunc(o.levels, func(l level) bool { return l.location == g.Location })
	if i < 0 || !o.levels[i].joined {
		return out
	}
	l := &o.levels[i]
	l.group = g
	if !l.supply.short && g.starves() {
		o.short(now, i)
	}
	if !slices.ContainsFunc(g.Members, func(m Member) bool { return m.Node == o.self.Node }) {
		// The record has expired, or the snapshot is from before we joined.
		if l.seen && !o.down {
			l.refreshAt = now
		}
	} else {
		l.seen = true
	}
	if l.slot >= 0 && o.deposed(i) {
		out = o.loseSlot(now, i, out)
	}
	if l.slot >= 0 && l.yieldAt == unit.Never && o.outplaced(i) {
		l.yieldAt = now.Add(settleLater)
	}
	if o.wantsSlot(i) && l.countAt == unit.Never {
		l.countAt = now.Add(o.rand.Jitter(settleJitter))
		if i > 0 && g.worth(o.self, l.location) == 0 {
			l.countAt = l.countAt.Add(settleLater) // for better ones to come
		}
	}
	return o.relink(now, out)
}

// Progress tells how much of the artifact the node has. A completed or a lost
// artifact is announced at once, the rest with the next refresh, in coarse
// steps so that refreshes are seldom a change.
func (o *Overlay) Progress(now unit.Time, permille int, complete bool) {
	const step = 250
	if permille < almostDone {
		permille = permille / step * step
	}
	announce := complete != o.self.Complete
	o.self.Permille, o.self.Complete = permille, complete
	if announce && !complete {
		o.dialAll(now)
	}
	for i := range o.levels {
		if announce && o.levels[i].joined && !o.down {
			o.levels[i].refreshAt = now
		}
	}
}

// StoreDown freezes the overlay: the store does not answer.
func (o *Overlay) StoreDown() { o.down = true }

// StoreUp thaws it: every group is joined again and every slot claimed again,
// since the store may have lost everything.
func (o *Overlay) StoreUp(now unit.Time) {
	o.down = false
	o.keepUntil = now.Add(MemberTTL)
	for i := range o.levels {
		if l := &o.levels[i]; l.joined {
			l.refreshAt = now
			if l.slot >= 0 {
				l.renewAt = now
			}
		}
	}
}

// Tick does what is due by now.
func (o *Overlay) Tick(now unit.Time, out []Action) []Action {
	if !o.down {
		for i := range o.levels {
			out = o.tickLevel(now, i, out)
		}
		if o.keepUntil > 0 && o.keepUntil.Reached(now) {
			o.keepUntil = 0
			out = o.dropUnnamed(now, out)
		}
	}
	return o.redial(now, out)
}

func (o *Overlay) tickLevel(now unit.Time, i int, out []Action) []Action {
	l := &o.levels[i]
	if l.refreshAt.Reached(now) {
		out = o.join(now, i, out)
	}
	if l.yieldAt.Reached(now) {
		out = o.yield(now, i, out)
	}
	if l.renewAt.Reached(now) {
		l.renewAt = now.Add(slotRenewal)
		out = append(out, Claim{Location: l.location, Slots: max(l.slots(), l.slot+1)})
	}
	if l.countAt.Reached(now) {
		l.countAt = unit.Never
		if o.wantsSlot(i) {
			l.countAt = now.Add(claimRetry)
			out = append(out, Claim{Location: l.location, Slots: l.slots() + o.vacant(i)}) // beside those of the dead
		}
	}
	return out
}

// NextDeadline is when Tick has something to do, or Never.
func (o *Overlay) NextDeadline() unit.Time {
	next := o.nextDial()
	if o.down {
		return next
	}
	if o.keepUntil > 0 {
		next = min(next, o.keepUntil)
	}
	for _, l := range o.levels {
		next = min(next, l.countAt, l.refreshAt, l.renewAt, l.yieldAt)
	}
	return next
}
