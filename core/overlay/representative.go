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
	if o.self.Initial || i == len(o.levels)-1 || !l.joined || !l.seen || l.slot >= 0 {
		return false
	}
	holders := l.group.holders()
	if o.self.Permille >= almostDone && holders > 0 {
		return false
	}
	return l.group.faster(o.self)+holders < l.slots()
}

// faster counts the members that could take a slot and whose limits let at least
// twice as much pass as self's: what enters the location would wait for self.
func (g Group) faster(self Member) int {
	n := 0
	for _, m := range g.Members {
		limited := self.Limit > 0 && (m.Limit == 0 || m.Limit/2 >= self.Limit)
		if limited && !m.Initial && m.Permille < almostDone && !slices.Contains(g.Slots, m.Node) {
			n++
		}
	}
	return n
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
	o.levels[i].slot, o.levels[i].renewAt = -1, unit.Never
	if o.self.Initial {
		return out
	}
	for j := len(o.levels) - 1; j > i; j-- {
		out = o.leave(j, out)
	}
	return o.relink(now, out)
}
