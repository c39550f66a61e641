package loop

import (
	"cmp"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/swarmapi"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Join implements swarmapi.Swarm.
func (l *Loop) Join(d artifact.Digest, o swarmapi.JoinOptions) {
	l.post(func(unit.Time) {
		if l.transfers[d] == nil {
			l.transfers[d] = newTransfer(l, d)
			l.step(node.Joined{Transfer: d, Initial: o.Initial, ManifestSize: o.ManifestSize})
		}
	})
}

// Provide implements swarmapi.Swarm.
func (l *Loop) Provide(d artifact.Digest, m *artifact.Manifest, c swarmapi.Content) {
	l.post(func(unit.Time) {
		t := l.transfers[d]
		if t == nil {
			return
		}
		first := t.manifest == nil
		t.provide(m, c)
		l.step(node.ContentReady{Transfer: d, Lengths: m.SpanLengths(), Have: c.Have()})
		if first {
			l.receiveVisitors()
			for _, addr := range l.cfg.Foreign {
				l.workers.Go(func() { l.court(t, addr) })
			}
		}
	})
}

// Leave implements swarmapi.Swarm.
func (l *Loop) Leave(d artifact.Digest) {
	l.post(func(unit.Time) {
		if t := l.transfers[d]; t != nil {
			l.leave(t)
		}
	})
}

func (l *Loop) leave(t *transfer) {
	l.step(node.Left{Transfer: t.digest})
	t.end()
}

// SpansLost implements swarmapi.Swarm.
func (l *Loop) SpansLost(d artifact.Digest, have artifact.Bitset) {
	l.post(func(unit.Time) {
		if l.transfers[d] != nil {
			l.step(node.ContentChanged{Transfer: d, Have: have})
		}
	})
}

// SetRates implements swarmapi.Swarm.
func (l *Loop) SetRates(download, upload unit.Rate) {
	l.post(func(unit.Time) { l.step(l.budgets(download, upload)) })
}

// budgets are those of the node's own link.
func (l *Loop) budgets(download, upload unit.Rate) node.BudgetsChanged {
	of := func(up bool, rate unit.Rate) []bandwidth.Budget {
		c := l.cfg.Machine
		return []bandwidth.Budget{bandwidth.NoLimit(topo.Hop{Location: c.Location, Node: c.Self, Up: up}).AtMost(rate, bandwidth.Group)}
	}
	return node.BudgetsChanged{Download: of(false, download), Upload: of(true, upload)}
}

// Limit implements swarmapi.Swarm.
func (l *Loop) Limit(d artifact.Digest, rank bandwidth.Rank, download, upload bandwidth.Budget) {
	l.post(func(unit.Time) {
		if l.transfers[d] != nil {
			l.step(node.TransferLimited{Transfer: d, Rank: rank, Download: download, Upload: upload})
		}
	})
}

// Notices implements swarmapi.Swarm.
func (l *Loop) Notices() <-chan swarmapi.Notice { return l.out }

// Stats implements swarmapi.Swarm.
func (l *Loop) Stats(d artifact.Digest) (swarmapi.Stats, bool) {
	type answer struct {
		stats swarmapi.Stats
		ok    bool
	}
	reply := make(chan answer, 1)
	l.post(func(now unit.Time) {
		s, ok := l.stats(now, d)
		reply <- answer{s, ok}
	})
	select {
	case a := <-reply:
		return a.stats, a.ok
	case <-l.done:
		return swarmapi.Stats{}, false
	}
}

func (l *Loop) stats(now unit.Time, d artifact.Digest) (swarmapi.Stats, bool) {
	s, ok := l.machine.Status(d)
	t := l.transfers[d]
	if !ok || t == nil {
		return swarmapi.Stats{}, false
	}
	c := s.Counters
	st := swarmapi.Stats{
		Sent: int64(c.Sent), Peers: s.Peers, Visitors: t.visitors(), Role: s.Role, Rate: int64(t.meter.rate(now)),
		Received: api.Received{Seeder: int64(c.Seeder), Duplicate: int64(c.Duplicate), Foreign: int64(c.Foreign)},
		Spans:    s.Spans, Missing: s.Missing, Unserved: s.Unserved,
	}
	for _, n := range c.ByLevel {
		st.Received.ByLevel = append(st.Received.ByLevel, int64(n))
	}
	for i := range s.Spans {
		if s.Have.Has(i) {
			st.BytesDone += int64(t.lengths[i])
		}
	}
	down, up := l.machine.Bounds(now, d)
	st.DownBound, st.UpBound = bounds[down], bounds[up]
	downs, ups := l.machine.Bindings(now, d)
	st.DownBinding, st.UpBinding = tightest(downs), tightest(ups)
	st.Top = top(s.Accounts)
	return st, true
}

// tightest is the binding with the lowest rate of those that hold something back.
func tightest(list []bandwidth.Binding) (least bandwidth.Binding) {
	for _, b := range list {
		if b.Reason != bandwidth.Open && (least.Reason == "" || b.Rate < least.Rate) {
			least = b
		}
	}
	return least
}

var bounds = map[node.Bound]swarmapi.Bound{node.NodeBound: swarmapi.NodeBound, node.TransferBound: swarmapi.TransferBound}

// topPeers is how many of the fastest peers are told.
const topPeers = 3

// top are the connected peers that send most.
func top(accounts []swarm.Account) (list []api.PeerRate) {
	for _, a := range accounts {
		if a.Connected && a.Owed > 0 && a.Rate > 0 {
			list = append(list, api.PeerRate{Name: string(a.Node), Location: string(a.Location), Initial: a.Initial, Rate: int64(a.Rate)})
		}
	}
	slices.SortFunc(list, func(a, b api.PeerRate) int { return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(a.Name, b.Name)) })
	return list[:min(len(list), topPeers)]
}

// meter measures a rate over the last second, in slots.
type meter struct {
	slots [10]unit.Bytes
	slot  int64 // number of the newest slot since the epoch
}

const meterSlot = 100 * time.Millisecond

func (m *meter) add(now unit.Time, n unit.Bytes) {
	m.advance(now)
	m.slots[m.slot%int64(len(m.slots))] += n
}

func (m *meter) rate(now unit.Time) unit.Rate {
	m.advance(now)
	var sum unit.Bytes
	for _, n := range m.slots {
		sum += n
	}
	return unit.Rate(sum) // the slots are one second together
}

// advance empties the slots that time has passed over.
func (m *meter) advance(now unit.Time) {
	to := int64(now) / int64(meterSlot)
	for i := max(m.slot+1, to-int64(len(m.slots))+1); i <= to; i++ {
		m.slots[i%int64(len(m.slots))] = 0
	}
	m.slot = max(m.slot, to)
}
