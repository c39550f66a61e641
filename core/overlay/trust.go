package overlay

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// maxAccused bounds the names in a record.
	maxAccused = 16
	// minAccusers is how many members at least have to distrust a representative
	// until it goes: one alone may be the liar.
	minAccusers = 2
)

// Distrust says that a member has sent this node wrong bytes, so that nothing is
// taken from it any more. It represents nobody then, as far as this node is
// concerned, which claims a slot beside its own, and says in its records whom it
// distrusts. What others say so nobody believes but the one whom they say it of.
func (o *Overlay) Distrust(now unit.Time, node unit.NodeID) { o.trust(now, node, false) }

// Trust takes Distrust back.
func (o *Overlay) Trust(now unit.Time, node unit.NodeID) { o.trust(now, node, true) }

func (o *Overlay) trust(now unit.Time, node unit.NodeID, good bool) {
	if o.distrusted[node] == !good {
		return
	}
	delete(o.distrusted, node)
	if !good {
		o.distrusted[node] = true
	}
	for i := range o.levels {
		if l := &o.levels[i]; l.joined && !o.down {
			l.refreshAt = now
		}
	}
	o.succeed(now)
}

// accused lists the members of level i's group that are distrusted.
func (o *Overlay) accused(i int) (names []unit.NodeID) {
	for _, m := range o.levels[i].group.Members {
		if o.distrusted[m.Node] && len(names) < maxAccused {
			names = append(names, m.Node)
		}
	}
	return names
}

// deposed reports whether more than half of the members of level i's group distrust
// this node, of those who can tell and are not distrusted themselves: what it fetches
// from outside is of no use to them, and would cross the uplink for itself alone.
func (o *Overlay) deposed(i int) bool {
	accusers, others := 0, 0
	for _, m := range o.levels[i].group.Members {
		if m.Node == o.self.Node || o.distrusted[m.Node] {
			continue
		}
		switch {
		case slices.Contains(m.Distrusts, o.self.Node):
			accusers++
		case !m.Initial && !m.Complete: // who fetches nothing has nothing to judge by
			others++
		}
	}
	return accusers >= minAccusers && accusers > others
}
