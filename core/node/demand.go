package node

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// HopDemand is what transfers of one rank want of one direction of one hop.
type HopDemand struct {
	Hop  int
	Up   bool
	Rank bandwidth.Rank
	// Wants: something is requested over the hop or waits to be sent, or would be if
	// the budgets allowed it; or a peer lacks what is here, and may request it.
	Wants bool
	// Moved is the block payload that has crossed the hop since the machine began.
	Moved unit.Bytes
}

// Demand lists what is wanted of each hop in each direction, by rank: of the ranks
// that transfers have or had.
func (m *Machine) Demand(now unit.Time) []HopDemand {
	m.each(m.count)
	var list []HopDemand
	for _, r := range []bandwidth.Rank{bandwidth.Background, bandwidth.Normal, bandwidth.Urgent} {
		moved := m.moved[r]
		if moved == nil {
			continue
		}
		first := len(list)
		for hop := range moved.down {
			list = append(list, HopDemand{Hop: hop, Rank: r, Moved: moved.down[hop]}, HopDemand{Hop: hop, Up: true, Rank: r, Moved: moved.up[hop]})
		}
		m.each(func(t *transfer) {
			if t.down.rank == r {
				t.wants(now, list[first:])
			}
		})
	}
	return list
}

// wants notes what a transfer wants, in the rows of its rank.
func (t *transfer) wants(now unit.Time, rows []HopDemand) {
	down := t.wantsFrom(now)
	for i := range rows {
		row := &rows[i]
		wanted := down
		if row.Up {
			wanted = t.waits(now)
		}
		row.Wants = row.Wants || slices.Contains(wanted[row.Hop:], true)
	}
}

// wantsFrom says whether something is wanted from peers, by the uplinks that it
// crosses.
func (t *transfer) wantsFrom(now unit.Time) []bool {
	wants := make([]bool, len(t.down.held))
	if t.swarm != nil {
		for uplinks, wanted := range t.swarm.Wants(now) {
			wants[t.down.crosses(uplinks)] = wants[t.down.crosses(uplinks)] || wanted
		}
		return wants
	}
	for _, p := range t.peers { // as soon as the manifest is here
		wants[t.down.crosses(p.uplinks)] = true
	}
	return wants
}

// waits says whether something waits to be sent, did of late or may soon, by the
// uplinks that it crosses.
func (t *transfer) waits(now unit.Time) []bool {
	wants := make([]bool, len(t.gates))
	for uplinks, g := range t.gates {
		wants[uplinks] = g.waiting > 0 || t.up.binds(now, uplinks)
	}
	if t.swarm != nil {
		for uplinks, offered := range t.swarm.Offers() {
			wants[t.up.crosses(uplinks)] = wants[t.up.crosses(uplinks)] || offered
		}
	}
	return wants
}

// moved is block payload by the hop that it crossed.
type moved struct{ down, up []unit.Bytes }

func newMoved(hops int) *moved {
	return &moved{down: make([]unit.Bytes, hops), up: make([]unit.Bytes, hops)}
}

// count adds what a transfer has moved since it was counted last to what its rank
// has moved.
func (m *Machine) count(t *transfer) {
	sum := m.moved[t.down.rank]
	if sum == nil {
		sum = newMoved(len(t.down.held))
		m.moved[t.down.rank] = sum
	}
	if t.swarm == nil {
		return
	}
	all := newMoved(len(t.down.held))
	t.swarm.Crossed(func(uplinks int, received, sent unit.Bytes) {
		for hop := range t.down.crosses(uplinks) + 1 {
			all.down[hop] += received
			all.up[hop] += sent
		}
	})
	for hop := range all.down {
		sum.down[hop] += max(all.down[hop]-t.counted.down[hop], 0)
		sum.up[hop] += max(all.up[hop]-t.counted.up[hop], 0)
	}
	t.counted = all
}
