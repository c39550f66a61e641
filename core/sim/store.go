package sim

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Of the store and its clients (core/store).
const (
	opSize      = 400 // bytes of a call
	opTime      = 100 * time.Microsecond
	rereadEvery = 4500 * time.Millisecond
	// silence is after how long a client gives up a store that is not heard, and
	// reconnect the wait before it is tried again.
	silence   = 6 * time.Second
	reconnect = time.Second
)

// store is the coordination store: a host at the root.
type store struct {
	sim    *simulation
	down   bool
	groups map[unit.Location]*group
	ops    []unit.Time // of each call
	// changed is when the overlay changed last: who is in a group or has a slot.
	changed unit.Time
	most    map[unit.Location]int // representatives at a time
}

type group struct {
	version  int64
	members  map[unit.NodeID]lease
	slots    []slot
	watchers map[unit.NodeID]*host
}

type lease struct {
	member overlay.Member
	until  unit.Time
}

type slot struct {
	holder unit.NodeID
	until  unit.Time
}

func newStore(s *simulation) *store {
	return &store{sim: s, groups: map[unit.Location]*group{}, most: map[unit.Location]int{}}
}

// call has the store do something for a host, and then the host something with
// the answer. Nothing happens if the store cannot be reached.
func (st *store) call(h *host, do func(), answer func()) {
	up, life := h.up(), h.life
	if st.down || blocked(up) {
		return
	}
	note(up, opSize)
	st.sim.after(oneWay(up)+opTime, func() {
		if st.down || h.life != life {
			return
		}
		st.ops = append(st.ops, st.sim.now)
		do()
		if answer != nil {
			st.tell(h, answer)
		}
	})
}

// tell has a host hear something from the store.
func (st *store) tell(h *host, do func()) {
	if down := h.down(); h.machine != nil && !blocked(down) {
		note(down, opSize)
		h.then(oneWay(down), do)
	}
}

func (st *store) group(l unit.Location) *group {
	g := st.groups[l]
	if g == nil {
		g = &group{members: map[unit.NodeID]lease{}, watchers: map[unit.NodeID]*host{}}
		st.groups[l] = g
	}
	return g
}

// join writes a member's record, and has the host watch the group: it subscribes
// and reads a snapshot.
func (st *store) join(h *host, a node.JoinGroup) {
	st.call(h, func() {
		g := st.group(a.Location)
		old, was := g.members[h.id]
		g.members[h.id] = lease{a.Member, st.sim.now.Add(overlay.MemberTTL)}
		if !was {
			st.changed = st.sim.now
		}
		if !reflect.DeepEqual(old.member, a.Member) {
			st.publish(a.Location, g)
		}
		if g.watchers[h.id] == nil {
			g.watchers[h.id] = h
			st.subscribed(h, a.Location)
		}
	}, nil)
}

// subscribed lets the first snapshot of a group come to a host.
func (st *store) subscribed(h *host, l unit.Location) {
	st.tell(h, func() {
		st.call(h, func() {}, func() {
			if g := st.groups[l]; g != nil && !st.down {
				h.step(node.GroupChanged{Transfer: st.sim.digest, Group: st.snapshot(l, g)})
			}
		})
	})
}

func (st *store) leave(h *host, l unit.Location) {
	st.call(h, func() {
		g := st.group(l)
		delete(g.members, h.id)
		delete(g.watchers, h.id)
		for i := range g.slots {
			if g.slots[i].holder == h.id {
				g.slots[i] = slot{}
			}
		}
		st.changed = st.sim.now
		st.publish(l, g)
	}, nil)
}

// forget has nobody watch for an agent that died. Its records run out.
func (st *store) forget(h *host) {
	for _, g := range st.groups {
		delete(g.watchers, h.id)
	}
}

// claim gives a host one of the slots, or the one that it has for longer.
func (st *store) claim(h *host, a node.ClaimSlot) {
	got := -1
	st.call(h, func() {
		g := st.group(a.Location)
		fresh := false
		if got, fresh = g.claim(st.sim.now, h.id, a.Slots); fresh {
			st.changed = st.sim.now
			st.publish(a.Location, g)
		}
	}, func() {
		h.step(node.SlotAnswered{Transfer: st.sim.digest, Location: a.Location, Slot: got, Held: got >= 0})
	})
}

// claim returns the slot that a node gets, -1 if none is free, and whether it had
// none before.
func (g *group) claim(now unit.Time, id unit.NodeID, slots int) (got int, fresh bool) {
	for len(g.slots) < slots {
		g.slots = append(g.slots, slot{})
	}
	got = slices.IndexFunc(g.slots[:slots], func(s slot) bool { return s.holder == id && s.until > now })
	if got < 0 {
		fresh = true
		got = slices.IndexFunc(g.slots[:slots], func(s slot) bool { return s.holder == "" || s.until <= now })
	}
	if got >= 0 {
		g.slots[got] = slot{id, now.Add(overlay.SlotLease)}
	}
	return got, fresh && got >= 0
}

// publish tells all who watch a group what it is like now.
func (st *store) publish(l unit.Location, g *group) {
	g.version++
	snap := st.snapshot(l, g)
	for _, id := range sortedKeys(g.watchers) {
		h := g.watchers[id]
		st.tell(h, func() { h.step(node.GroupChanged{Transfer: st.sim.digest, Group: snap}) })
	}
}

// snapshot is a group without what has run out.
func (st *store) snapshot(l unit.Location, g *group) overlay.Group {
	snap := overlay.Group{Location: l, Version: g.version}
	for _, id := range sortedKeys(g.members) {
		if m := g.members[id]; m.until > st.sim.now {
			snap.Members = append(snap.Members, m.member)
		}
	}
	held := 0
	for _, s := range g.slots {
		if s.until <= st.sim.now {
			s.holder = ""
		} else if s.holder != "" {
			held++
		}
		snap.Slots = append(snap.Slots, s.holder)
	}
	st.most[l] = max(st.most[l], held)
	return snap
}

// sweep drops what has run out, and tells of it, now and then, as members read
// their groups again.
func (st *store) sweep() {
	for _, l := range slices.Sorted(maps.Keys(st.groups)) {
		g := st.groups[l]
		if g.expire(st.sim.now) && !st.down {
			st.changed = st.sim.now
			st.publish(l, g)
		}
	}
	st.sim.after(rereadEvery, st.sweep)
}

// expire drops what has run out, and reports whether anything had.
func (g *group) expire(now unit.Time) bool {
	some := false
	for id, m := range g.members {
		if m.until <= now {
			delete(g.members, id)
			some = true
		}
	}
	for i, s := range g.slots {
		if s.holder != "" && s.until <= now {
			g.slots[i] = slot{}
			some = true
		}
	}
	return some
}

// fail ends the store, and what it knew.
func (st *store) fail() {
	st.down = true
	st.groups = map[unit.Location]*group{}
	for _, h := range st.sim.order {
		st.lost(h, oneWay(h.down()))
	}
}

// recover brings it back empty.
func (st *store) recover() {
	st.down = false
	for _, h := range st.sim.order {
		st.found(h)
	}
}

// lost has a host notice after a while that the store does not answer.
func (st *store) lost(h *host, after time.Duration) {
	st.sim.after(after, func() {
		if h.away || !st.unreachable(h) {
			return
		}
		h.away = true
		if h.machine != nil {
			h.step(node.StoreDown{})
		}
	})
}

// found has a host find the store again.
func (st *store) found(h *host) {
	st.sim.after(reconnect, func() {
		if !h.away || st.unreachable(h) {
			return
		}
		h.away = false
		if h.machine != nil {
			h.step(node.StoreUp{})
		}
	})
}

func (st *store) unreachable(h *host) bool { return st.down || blocked(h.up()) || blocked(h.down()) }
