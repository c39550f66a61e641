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

// TestWay: a guard is for the slowest declared link on the way, and there is none
// within a rack.
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
	if !ok || slowest.Up || guard.Link != 10*mbit || guard.Floor < bandwidth.FloorOf(10*mbit) || guard.Floor > guard.Ceiling/2 {
		t.Errorf("to another datacenter: %+v, %+v, %v", slowest, guard, ok)
	}
	if onLink(guard.Ceiling) > 8*mbit || onLink(guard.Ceiling) < 7*mbit {
		t.Errorf("the ceiling is %v", guard.Ceiling)
	}
	if slowest, _, ok := m.Way("near"); ok {
		t.Errorf("within the rack: %+v", slowest)
	}
}
