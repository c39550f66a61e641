package overlay

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A node whose supply stays too little says so, and takes a further slot once half
// of the members say the same; where an initial seeder is a member it does not.
func TestStarvingLocation(t *testing.T) {
	for _, c := range []struct {
		name     string
		starving int // members
		initial  bool
		slots    int // that the node claims; 0: none
	}{
		{"a few", 2, false, 0},
		{"half", 3, false, 3},
		{"half, with the initial seeder", 3, true, 0},
	} {
		o := newTest(Member{Node: "a", Location: "ams/r1"})
		o.Start(0, nil)
		g := group("ams/r1", []unit.NodeID{"b", "c"}, "a", "b", "c", "d", "e", "f")
		o.GroupChanged(0, g, nil)
		now := unit.Time(time.Second)
		starves := func(depth int) bool { return depth == 2 }
		o.Supply(now, starves)
		now = now.Add(supplyTime)
		o.Supply(now, starves)
		joins := find[Join](o.Tick(now, nil))
		if len(joins) != 1 || !joins[0].Member.Starving {
			t.Fatalf("%s: it says %v", c.name, joins)
		}
		for i := range c.starving {
			g.Members[i].Starving = true
		}
		g.Members[5].Initial = c.initial
		o.GroupChanged(now, g, nil)
		claims := find[Claim](o.Tick(now.Add(settleJitter), nil))
		switch {
		case c.slots == 0 && len(claims) > 0:
			t.Errorf("%s: claims %v", c.name, claims)
		case c.slots > 0 && (len(claims) != 1 || claims[0].Slots != c.slots):
			t.Errorf("%s: claims %v, want one of %d slots", c.name, claims, c.slots)
		}
		if short := o.View().Short[2]; short != (c.slots > 0) {
			t.Errorf("%s: the location is short: %v", c.name, short)
		}
	}
}

// What lasts less than supplyTime is not told.
func TestSupplyThatRecovers(t *testing.T) {
	o := newTest(Member{Node: "a", Location: "ams/r1"})
	o.Start(0, nil)
	now := unit.Time(time.Second)
	for range 10 {
		o.Supply(now, func(int) bool { return true })
		now = now.Add(supplyTime / 2)
		o.Supply(now, func(int) bool { return false })
		now = now.Add(time.Millisecond)
	}
	if o.levels[0].supply.starving {
		t.Error("it starves")
	}
}
