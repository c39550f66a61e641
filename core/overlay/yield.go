package overlay

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// Paused is the limit in the record of a node that lets nothing pass.
	Paused unit.Rate = 1
	// yieldAfter is how long a representative is paused until it leaves its slots to
	// others. If all are paused together it hears of that sooner.
	yieldAfter = 2 * time.Second
)

// Limit replaces what the node's limits let pass: see Member.Limit. One that is
// paused brings nothing into the locations that it represents.
func (o *Overlay) Limit(now unit.Time, limit unit.Rate) {
	if o.self.Limit == limit {
		return
	}
	o.self.Limit = limit
	for i := range o.levels {
		l := &o.levels[i]
		if l.joined && !o.down {
			l.refreshAt = now
		}
		l.yieldAt = unit.Never
		if l.slot >= 0 && limit == Paused {
			l.yieldAt = now.Add(yieldAfter)
		}
	}
}

// yield leaves a slot of level i that is due to be left, if another member can have
// it; the store gives it away when its lease has ended.
func (o *Overlay) yield(now unit.Time, i int, out []Action) []Action {
	l := &o.levels[i]
	l.yieldAt = unit.Never
	if l.slot >= 0 && o.outplaced(i) {
		return o.loseSlot(now, i, out)
	}
	if l.slot < 0 || o.self.Limit != Paused {
		return out
	}
	if !slices.ContainsFunc(l.group.Members, l.couldRepresent) {
		l.yieldAt = now.Add(yieldAfter)
		return out
	}
	return o.loseSlot(now, i, out)
}

// couldRepresent reports whether a member could take a slot that becomes free.
func (l *level) couldRepresent(m Member) bool {
	return !m.Initial && m.Limit != Paused && !m.Complete && !slices.Contains(l.group.Slots, m.Node)
}

// outplaced reports whether the node is beside an initial seeder in a part of level i's
// location, and a member from another part could have its slot: one that was not there
// yet when the slots were taken. What the two parts send outward would share the
// seeder's uplink for good.
func (o *Overlay) outplaced(i int) bool {
	l := &o.levels[i]
	return l.group.worth(o.self, l.location) == 0 && slices.ContainsFunc(l.group.Members, func(m Member) bool {
		return l.couldRepresent(m) && m.Limit == 0 && m.Permille < almostDone && !o.distrusted[m.Node] && l.group.worth(m, l.location) > 0
	})
}
