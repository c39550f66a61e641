package overlay

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

// almostDone is the share of the artifact, in permille, from which a node does
// not become representative any more unless there is none (requirement 24).
const almostDone = 950

// Representatives is how many members of a group of n represent its location
// one level up: two, and fewer than members (requirement 23; design: one where
// the location has one or two members).
func Representatives(n int) int {
	if n <= 2 {
		return 1
	}
	return 2
}

// wantsSlot reports whether this node should become a representative of level
// i's location. An initial seeder is in the groups above anyway: it leaves the
// slots to members that relay what it gives them.
func (o *Overlay) wantsSlot(i int) bool {
	l := &o.levels[i]
	if o.self.Initial || i == len(o.levels)-1 || !l.joined || !l.seen || l.slot >= 0 || o.deposed(i) {
		return false
	}
	holders := l.group.holders() - o.vacant(i)
	if o.self.Permille >= almostDone && holders > 0 {
		return false
	}
	return o.better(i)+holders < l.slots()
}

// vacant is how many slots of level i's location are held by nodes through which
// nothing comes in: those that are distrusted, and those that seem dead, as the
// connections to all other holders have ended. The store keeps a slot until its lease
// has run out, and tells of that later still.
func (o *Overlay) vacant(i int) int {
	distrusted, dead, alive := 0, 0, 0
	for _, holder := range o.levels[i].group.Slots {
		switch k := o.links[holder]; {
		case holder == "":
		case o.distrusted[holder]:
			distrusted++
		case k != nil && k.lost:
			dead++
		default:
			alive++
		}
	}
	if alive > 0 {
		return distrusted
	}
	return distrusted + dead
}

// succeed has the node count representatives where some are none any more.
func (o *Overlay) succeed(now unit.Time) {
	for i := range o.levels {
		if l := &o.levels[i]; l.countAt == unit.Never && o.vacant(i) > 0 && o.wantsSlot(i) {
			l.countAt = now.Add(o.rand.Jitter(settleJitter))
		}
	}
}

// better counts the members of level i's group that could take a slot and suit better
// than self: by their limits at least twice as much can pass, or else by their place.
func (o *Overlay) better(i int) int {
	n := 0
	self, g, at := o.self, o.levels[i].group, o.levels[i].location
	mine := g.worth(self, at)
	for _, m := range g.Members {
		if m.Initial || m.Permille >= almostDone || slices.Contains(g.Slots, m.Node) || o.distrusted[m.Node] {
			continue
		}
		limited := self.Limit > 0 && (m.Limit == 0 || m.Limit/2 >= self.Limit)
		slower := m.Limit > 0 && (self.Limit == 0 || self.Limit/2 >= m.Limit)
		if limited || !slower && g.worth(m, at) > mine {
			n++
		}
	}
	return n
}

// worth says how good it is to have a member represent the location by where it
// is: what an initial seeder and its neighbours send outward shares one uplink with
// what they send to the rest of the location, so better ones are from its other
// parts, and from parts that have no slot yet.
func (g Group) worth(m Member, at unit.Location) int {
	part := partOf(m.Location, at)
	if part == at {
		return 0
	}
	worth := 2
	for _, q := range g.Members {
		if q.Node == m.Node || !part.Contains(q.Location) {
			continue
		}
		if q.Initial {
			return 0
		}
		if slices.Contains(g.Slots, q.Node) {
			worth = 1
		}
	}
	return worth
}

// partOf is the location one level below at that contains l, or at itself.
func partOf(l, at unit.Location) unit.Location {
	part := at
	for ; l != at && l != unit.Root; l = l.Parent() {
		part = l
	}
	return part
}

// slots is how many representatives the group should have. Initial seeders do
// not count: they go up by themselves.
func (g Group) slots() int {
	n := 0
	for _, m := range g.Members {
		if !m.Initial {
			n++
		}
	}
	return Representatives(n)
}

func (g Group) holders() int {
	n := 0
	for _, s := range g.Slots {
		if s != "" {
			n++
		}
	}
	return n
}

// Claimed is the store's answer to a Claim.
func (o *Overlay) Claimed(now unit.Time, at unit.Location, slot int, ok bool, out []Action) []Action {
	i := slices.IndexFunc(o.levels, func(l level) bool { return l.location == at })
	if i < 0 || !o.levels[i].joined || i == len(o.levels)-1 {
		return out
	}
	l := &o.levels[i]
	switch {
	case ok:
		fresh := l.slot < 0
		l.slot, l.renewAt, l.countAt = slot, now.Add(slotRenewal), unit.Never
		if fresh && o.self.Limit == Paused {
			l.yieldAt = now.Add(yieldAfter)
		}
		if fresh && !o.levels[i+1].joined {
			out = o.join(now, i+1, out)
		}
	case l.slot >= 0:
		out = o.loseSlot(now, i, out)
	default:
		l.countAt = unit.Never // taken by others; the next snapshot decides
	}
	return out
}

// loseSlot leaves every group above level i. An initial seeder stays: it is in
// the higher groups by its own right.
func (o *Overlay) loseSlot(now unit.Time, i int, out []Action) []Action {
	o.levels[i].slot, o.levels[i].renewAt, o.levels[i].yieldAt = -1, unit.Never, unit.Never
	if o.self.Initial {
		return out
	}
	for j := len(o.levels) - 1; j > i; j-- {
		out = o.leave(j, out)
	}
	return o.relink(now, out)
}
