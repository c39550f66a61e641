package loop

import (
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/unit"
)

// SetBudgets says what block payload may be moved over each hop on the way to the
// root, of all transfers together, the node's own link first.
func (l *Loop) SetBudgets(download, upload []bandwidth.Budget) {
	l.post(func(unit.Time) { l.step(node.BudgetsChanged{Download: download, Upload: upload}) })
}

// Demand is what transfers want of the hops, and what they have moved over them; nil
// after Run has returned.
func (l *Loop) Demand() []node.HopDemand {
	reply := make(chan []node.HopDemand, 1)
	l.post(func(now unit.Time) { reply <- l.machine.Demand(now) })
	select {
	case all := <-reply:
		return all
	case <-l.done:
		return nil
	}
}
