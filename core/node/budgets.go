package node

import (
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// BudgetsChanged says what block payload the node may move over each hop of its way
// to the root from now on, of all transfers together; see bandwidth.Nested. Hop 0 is
// its own link: what was Config.Download and Config.Upload before. A hop that is not
// listed has no limit of its own. A rate of zero lets nothing pass: what was
// requested over the hop is withdrawn, and what peers request is refused.
type BudgetsChanged struct{ Download, Upload []bandwidth.Budget }

func (BudgetsChanged) isEvent() {}

// direction is one direction of the node's way to the root.
type direction struct {
	up      bool
	uplinks int // between the node and the root
	// flat: nobody's location is known, so that all traffic counts as crossing all
	// uplinks.
	flat   bool
	nested *bandwidth.Nested
}

func newDirection(now unit.Time, c Config, up bool) *direction {
	d := &direction{up: up, uplinks: c.Location.Depth(), flat: !c.Strategy.Overlay}
	rate := c.Download
	if up {
		rate = c.Upload
	}
	link := bandwidth.NoLimit(topo.Hop{Location: c.Location, Node: c.Self, Up: up})
	d.nested = bandwidth.NewNested(now, d.complete([]bandwidth.Budget{link.AtMost(rate, bandwidth.Group)}))
	return d
}

// complete adds the hops that nobody limits.
func (d *direction) complete(budgets []bandwidth.Budget) []bandwidth.Budget {
	all := make([]bandwidth.Budget, d.uplinks+1)
	for i := copy(all, budgets); i < len(all); i++ {
		all[i] = bandwidth.NoLimit(topo.Hop{Up: d.up})
	}
	return all
}

// lane is a transfer's way in one direction. It is the budget of its swarm's
// requests, and the one by which what it sends is admitted.
type lane struct {
	*bandwidth.Lane
	way  *direction
	rank bandwidth.Rank
	// ceiling is that of the transfer.
	ceiling bandwidth.Budget
	// held is when traffic was held back last, by the uplinks that it crosses.
	held []unit.Time // 0: never
}

var _ swarm.Budget = (*lane)(nil)

func (d *direction) newLane(now unit.Time) *lane {
	ceiling := noCeiling(d.up)
	return &lane{
		Lane: d.nested.Lane(now, bandwidth.Normal, ceiling), way: d, ceiling: ceiling,
		held: make([]unit.Time, d.uplinks+1),
	}
}

// noCeiling is the budget of a transfer that has no limit of its own.
func noCeiling(up bool) bandwidth.Budget {
	return bandwidth.NewBudget(bandwidth.Binding{Reason: bandwidth.Open, OfTransfer: true, Hop: topo.Hop{Up: up}, Rate: unit.Unlimited})
}

func (l *lane) set(now unit.Time, rank bandwidth.Rank, ceiling bandwidth.Budget) {
	l.rank, l.ceiling = rank, ceiling
	l.SetRank(rank)
	l.SetCeiling(now, ceiling)
}

// crosses is how many uplinks traffic counts as crossing.
func (l *lane) crosses(uplinks int) int {
	if l.way.flat {
		return l.way.uplinks
	}
	return uplinks
}

// ReadyAt is when something may be moved across so many uplinks.
func (l *lane) ReadyAt(now unit.Time, uplinks int) unit.Time {
	return l.Lane.ReadyAt(now, l.crosses(uplinks))
}

// Allows reports whether something may pass now. The caller has something that
// would.
func (l *lane) Allows(now unit.Time, uplinks int) bool {
	uplinks = l.crosses(uplinks)
	if l.Lane.Allows(now, uplinks) {
		return true
	}
	l.held[uplinks] = max(now, 1)
	return false
}

// Take takes n bytes that cross so many uplinks.
func (l *lane) Take(now unit.Time, uplinks int, n unit.Bytes) {
	l.Lane.Take(now, l.crosses(uplinks), n)
}

// Return gives back n bytes that are not moved after all.
func (l *lane) Return(uplinks int, n unit.Bytes) { l.Lane.Return(l.crosses(uplinks), n) }

// closed reports whether nothing may pass at all.
func (l *lane) closed() bool { return l.Rate(l.crosses(0)) == 0 }

// closedFrom is from how many uplinks on nothing may pass; false if everything may.
func (l *lane) closedFrom() (uplinks int, closed bool) {
	for uplinks := range l.held {
		if l.Rate(l.crosses(uplinks)) == 0 {
			return uplinks, true
		}
	}
	return 0, false
}

// bindTime is how long a limit counts as binding after it held something back.
const bindTime = time.Second

// binds reports whether traffic across so many uplinks was held back of late.
func (l *lane) binds(now unit.Time, uplinks int) bool {
	return l.held[uplinks] > 0 && now.Sub(l.held[uplinks]) < bindTime
}

func (m *Machine) budgetsChanged(now unit.Time, ev BudgetsChanged, out []Action) []Action {
	m.down.nested.SetBudgets(now, m.down.complete(ev.Download))
	m.up.nested.SetBudgets(now, m.up.complete(ev.Upload))
	m.each(func(t *transfer) { out = t.limitsChanged(now, out) })
	return m.wake(now, out)
}
