package traces

import (
	"cmp"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Overlay is what traces say of how an overlay came to be.
type Overlay struct {
	// Changes are when a representative's slot changed hands, in order.
	Changes []time.Time
	// Most is the largest number of representatives of a location at a time.
	Most map[unit.Location]int
}

// slot is the place of one representative of a location.
type slot struct {
	at unit.Location
	n  int
}

// Slots tells who held which representative's slot and when. A holder that was
// killed keeps its slot until another has it, as in the store.
func Slots(traces []Trace) Overlay {
	o := Overlay{Most: map[unit.Location]int{}}
	holders := map[slot]unit.NodeID{}
	for _, m := range slotLines(traces) {
		if !m.apply(holders) {
			continue
		}
		o.Changes = append(o.Changes, m.at)
		for at, n := range held(holders) {
			o.Most[at] = max(o.Most[at], n)
		}
	}
	return o
}

// moment is a line that may change who represents whom.
type moment struct {
	at   time.Time
	node unit.NodeID
	line trace.Line
}

func slotLines(traces []Trace) []moment {
	var all []moment
	for _, t := range traces {
		for _, l := range t.Lines {
			switch l.Event.(type) {
			case trace.Slot, trace.Leave:
				all = append(all, moment{t.Time(l), t.Node, l})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return all
}

// apply changes the holders, and reports whether that made a difference.
func (m moment) apply(holders map[slot]unit.NodeID) bool {
	before := len(holders)
	ev, ok := m.line.Event.(trace.Slot)
	if !ok { // it left
		deleteHolder(holders, m.node)
		return len(holders) != before
	}
	s := slot{ev.Location, ev.Slot}
	switch holder := holders[s]; {
	case ev.Held && holder != m.node:
		holders[s] = m.node
	case !ev.Held && holder == m.node:
		delete(holders, s)
	default:
		return false
	}
	return true
}

func deleteHolder(holders map[slot]unit.NodeID, node unit.NodeID) {
	for s, holder := range holders {
		if holder == node {
			delete(holders, s)
		}
	}
}

// held counts the holders of each location.
func held(holders map[slot]unit.NodeID) map[unit.Location]int {
	n := map[unit.Location]int{}
	for s := range holders {
		n[s.at]++
	}
	return n
}
