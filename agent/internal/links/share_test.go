package links

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// TestThreeNodesShareAnUplink: the fleet stays below the capacity less the reserve at
// all times, and what one node leaves is taken by the others.
func TestThreeNodesShareAnUplink(t *testing.T) {
	t.Parallel()
	const capacity, budget = 100 * mbit, 80 * mbit
	_, open := openStore(t)
	movers := []*mover{{}, {}, {}}
	var mu sync.Mutex
	var most unit.Rate
	sum := func() (all unit.Rate) {
		for _, m := range movers {
			now, _ := m.rates()
			all += now
		}
		return all
	}
	for i, m := range movers {
		m.seen = func() {
			mu.Lock()
			defer mu.Unlock()
			most = max(most, sum())
		}
		start(t, open(), unit.NodeID(fmt.Sprint("n", i)), m, func(c *Config) {
			c.Links = map[unit.Location]Link{"ams/r1": {Up: capacity, Down: capacity}}
		})
	}
	full := func() bool { return onLink(sum()) > budget*98/100 }
	for _, m := range movers {
		m.wants(1000 * mbit)
	}
	t.Logf("all three have their share after %v", eventually(t, "three shares", func() bool { return full() && even(movers) }))
	movers[0].wants(0)
	t.Logf("what one leaves is taken after %v", eventually(t, "the share of who has left", full))
	movers[1].wants(10 * mbit)
	t.Logf("what one does not need is taken after %v", eventually(t, "the share of who needs less", full))
	if now, _ := movers[2].rates(); onLink(now) < 65*mbit {
		t.Errorf("who wants more has %v beside one of 10 Mbit/s", onLink(now))
	}
	mu.Lock()
	defer mu.Unlock()
	if over := onLink(most); over > budget {
		t.Errorf("%v at once over a link that leaves %v", over, unit.Rate(budget))
	}
	if b := movers[2].binding(1); b.Hop.Location != "ams/r1" || b.Hop.Up {
		t.Errorf("the binding is of %+v", b.Hop)
	}
}

// onLink is what a rate of payload is on a link.
func onLink(payload unit.Rate) unit.Rate {
	return unit.Rate(bandwidth.Moved{Up: unit.Bytes(payload)}.OnWire().Up)
}

func even(movers []*mover) bool {
	first, _ := movers[0].rates()
	for _, m := range movers {
		if now, _ := m.rates(); now < first*9/10 || now > first*11/10 {
			return false
		}
	}
	return true
}

// TestUrgentComesFirst: an urgent transfer takes the link from others, and they go on
// after it.
func TestUrgentComesFirst(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	slow, urgent := &mover{}, &mover{rank: bandwidth.Urgent}
	for i, m := range []*mover{slow, urgent} {
		start(t, open(), unit.NodeID(fmt.Sprint("n", i)), m, func(c *Config) {
			c.Links = map[unit.Location]Link{"ams/r1": {Up: 100 * mbit, Down: 100 * mbit}}
		})
	}
	slow.wants(1000 * mbit)
	has := func(m *mover, least, most unit.Rate) func() bool {
		return func() bool {
			now, _ := m.rates()
			return onLink(now) >= least && onLink(now) <= most
		}
	}
	eventually(t, "all of it", has(slow, 79*mbit, 80*mbit))
	urgent.wants(1000 * mbit)
	t.Logf("the urgent one has all after %v", eventually(t, "the urgent one", has(urgent, 79*mbit, 80*mbit)))
	t.Logf("the other one has nothing after %v more", eventually(t, "the other one", has(slow, 0, mbit)))
	urgent.wants(0)
	t.Logf("the other one has all again after %v", eventually(t, "the other one again", has(slow, 79*mbit, 80*mbit)))
}

// TestAnUndeclaredLinkHasNoBudget, and one that is declared later has.
func TestAnUndeclaredLinkHasNoBudget(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	s, m := open(), &mover{}
	start(t, s, "n", m, nil)
	eventually(t, "budgets", func() bool { return m.binding(2).Reason == bandwidth.Open })
	m.wants(1000 * mbit)
	rate := int64(100 * mbit)
	if err := s.PutLink(t.Context(), link("ams", rate, rate)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the budget", func() bool {
		return m.binding(2).Rate == 80*mbit || onLink(m.binding(2).Rate) > 79*mbit && m.binding(2).Reason != bandwidth.Open
	})
	if b := m.binding(1); b.Reason != bandwidth.Open {
		t.Errorf("the link that nobody declared has the budget %v", b)
	}
	if err := s.DeleteLink(t.Context(), "ams", false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no budget any more", func() bool { return m.binding(2).Reason == bandwidth.Open })
}

// TestWithoutTheStoreTheFloorCounts: shares that cannot be agreed on are not kept.
func TestWithoutTheStoreTheFloorCounts(t *testing.T) {
	t.Parallel()
	r, open := openStore(t)
	m := &mover{}
	start(t, open(), "n", m, func(c *Config) {
		c.Links = map[unit.Location]Link{"ams/r1": {Up: 100 * mbit, Down: 100 * mbit}}
	})
	m.wants(1000 * mbit)
	eventually(t, "the share", func() bool { now, _ := m.rates(); return onLink(now) > 79*mbit })
	r.Kill()
	floor := bandwidth.FloorOf(100 * mbit)
	t.Logf("the floor counts after %v", eventually(t, "the floor", func() bool { now, _ := m.rates(); return now > 0 && onLink(now) <= floor }))
	r.Restart()
	eventually(t, "the share again", func() bool { now, _ := m.rates(); return onLink(now) > 79*mbit })
}

// TestRatesOfTheNodeAreItsOwnHop: what an operator sets counts beside the uplinks.
func TestRatesOfTheNodeAreItsOwnHop(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	m := &mover{}
	manager := start(t, open(), "n", m, func(c *Config) {
		c.Download = 7 * mbit
		c.Host = func(b bandwidth.Budget) bandwidth.Budget { return b.AtMost(5*mbit, bandwidth.CPU) }
	})
	eventually(t, "the host's own limit", func() bool { return m.binding(0).Reason == bandwidth.CPU })
	manager.SetRates(3*mbit, unit.Unlimited)
	if b := m.binding(0); b.Reason != bandwidth.Group || b.Rate != 3*mbit {
		t.Errorf("the node's own link: %v", b)
	}
	time.Sleep(2 * bandwidth.ClaimEvery) // it stays so
	if b := m.binding(0); b.Rate != 3*mbit {
		t.Errorf("later: %v", b)
	}
}
