package links

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

func TestCrossed(t *testing.T) {
	t.Parallel()
	up := func(l unit.Location) topo.Hop { return topo.Hop{Location: l, Up: true} }
	down := func(l unit.Location) topo.Hop { return topo.Hop{Location: l} }
	for _, test := range []struct {
		from, to unit.Location
		want     []topo.Hop
	}{
		{"ams/r1", "ams/r1", nil},
		{"ams/r1", "ams/r2", []topo.Hop{up("ams/r1"), down("ams/r2")}},
		{"ams/r1", "esy/r2", []topo.Hop{up("ams/r1"), up("ams"), down("esy/r2"), down("esy")}},
		{"ams", "ams/r2", []topo.Hop{down("ams/r2")}},
		{"ams/r1", unit.Root, []topo.Hop{up("ams/r1"), up("ams")}},
	} {
		if got := crossed(test.from, test.to); !slices.Equal(got, test.want) {
			t.Errorf("from %s to %s: %+v", test.from, test.to, got)
		}
	}
}

// TestWay: a guard is for the slowest declared link on the way, and within a rack for
// the host's own, of which nothing is known here.
func TestWay(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	s := open()
	for name, location := range map[string]string{"near": "ams/r1", "far": "esy/r2"} {
		if err := s.PutNode(t.Context(), api.Node{Name: name, Location: location}, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	m := start(t, s, "n", &mover{}, func(c *Config) {
		c.Links = map[unit.Location]Link{"ams/r1": {Up: 100 * mbit, Down: 100 * mbit}, "esy": {Up: mbit, Down: 10 * mbit}}
	})
	slowest, guard, ok := m.Way("far")
	if !ok || slowest.Location != "ams/r1" || !slowest.Up {
		t.Errorf("to who is not known yet: %+v, %v", slowest, ok)
	}
	eventually(t, "the place of a peer", func() bool { slowest, guard, ok = m.Way("far"); return slowest.Location == "esy" })
	if !ok || slowest.Up || guard.Link != 10*mbit || guard.Floor != bandwidth.FloorOf(10*mbit) {
		t.Errorf("to another datacenter: %+v, %+v, %v", slowest, guard, ok)
	}
	share := m.share(0, topo.Hop{Location: "ams/r1", Up: true})
	if guard.Shared || guard.Budget >= 8*mbit || guard.Budget <= 5*mbit {
		t.Errorf("where the peer's link has no share: %+v", guard)
	}
	if want := unit.Rate(float64(share.Rate) * ahead); share.Rate >= 8*mbit || guard.Ceiling != want || guard.Start != want {
		t.Errorf("at a share of %v the ceiling is %v and the start %v", share.Rate, guard.Ceiling, guard.Start)
	}
	slowest, guard, ok = m.Way("near")
	if !ok || slowest.Node != "n" || guard.Link != 0 || guard.Ceiling != unit.Unlimited || guard.Budget != unit.Unlimited || guard.Floor != bandwidth.FloorOf(0) {
		t.Errorf("within the rack: %+v, %+v, %v", slowest, guard, ok)
	}
}

// TestWayWithinTheRack: where this host's link is known, it bounds what goes to
// neighbours.
func TestWayWithinTheRack(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	s := open()
	if err := s.PutNode(t.Context(), api.Node{Name: "near", Location: "ams/r1"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	m := start(t, s, "n", &mover{}, func(c *Config) {
		c.Links = map[unit.Location]Link{"ams/r1": {Up: 100 * mbit, Down: 100 * mbit}}
		c.Host = func(b bandwidth.Budget) bandwidth.Budget {
			own := bandwidth.Binding{Hop: b.Binding.Hop, Rate: 40 * mbit, Reason: bandwidth.Reserve, Capacity: 50 * mbit}
			return bandwidth.Least(b, bandwidth.NewBudget(own))
		}
	})
	var guard bandwidth.GuardConfig
	eventually(t, "the way to a neighbour", func() bool {
		slowest, g, _ := m.Way("near")
		guard = g
		return slowest.Node == "n"
	})
	if guard.Link != 50*mbit || guard.Ceiling != 60*mbit || guard.Budget != 40*mbit || guard.Shared || guard.Start != guard.Ceiling || guard.Floor != bandwidth.FloorOf(50*mbit) {
		t.Errorf("%+v", guard)
	}
}

// TestNoWay: where no link is declared nothing is guarded.
func TestNoWay(t *testing.T) {
	t.Parallel()
	_, open := openStore(t)
	m := start(t, open(), "n", &mover{}, nil)
	if slowest, _, ok := m.Way("somebody"); ok {
		t.Errorf("%+v", slowest)
	}
}
