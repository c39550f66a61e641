package overlay

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A representative that is paused leaves its slot if another member can have it, and
// not before others had time to say that they are paused, too.
func TestPausedRepresentativeYields(t *testing.T) {
	for _, c := range []struct {
		name  string
		other Member
		again bool // it is let go before it is due
		want  bool
	}{
		{"another member", Member{}, false, true},
		{"who has little", Member{Limit: 1000}, false, true},
		{"who is paused, too", Member{Limit: Paused}, false, false},
		{"who has everything", Member{Complete: true}, false, false},
		{"the initial seeder", Member{Initial: true}, false, false},
		{"let go in time", Member{}, true, false},
	} {
		o := newTest(Member{Node: "a", Location: "ams/r1"})
		c.other.Node, c.other.Location = "b", "ams/r1"
		l := &o.levels[0]
		l.joined, l.seen, l.slot = true, true, 0
		l.group = Group{Location: "ams/r1", Members: []Member{o.self, c.other}, Slots: []unit.NodeID{"a"}}
		o.levels[1].joined = true
		o.Limit(0, Paused)
		o.Tick(unit.Time(yieldAfter-1), nil)
		if l.slot < 0 {
			t.Errorf("%s: it yields at once", c.name)
		}
		if c.again {
			o.Limit(unit.Time(yieldAfter-1), 0)
		}
		if next := o.NextDeadline(); next > unit.Time(yieldAfter).Add(time.Minute) {
			t.Errorf("%s: it sleeps until %v", c.name, time.Duration(next))
		}
		o.Tick(unit.Time(yieldAfter), nil)
		if yields := l.slot < 0 && !o.levels[1].joined; yields != c.want {
			t.Errorf("%s: it yields: %t", c.name, yields)
		}
	}
}

// The initial seeder's neighbours came first and took the slots of the location that
// both are in. When members of its other parts come they leave the slots to these, and
// do not take them again.
func TestNeighboursOfTheSeederYieldToOtherParts(t *testing.T) {
	seeder := Member{Node: "s", Location: "ams/r1", Initial: true, Complete: true}
	fellow := Member{Node: "b", Location: "ams/r1"}
	for name, c := range map[string]struct {
		other Member
		want  bool
	}{
		"from another part":        {Member{Location: "ams/r2"}, true},
		"from ours":                {Member{Location: "ams/r1"}, false},
		"who is almost done":       {Member{Location: "ams/r2", Permille: almostDone}, false},
		"who has a limit":          {Member{Location: "ams/r2", Limit: 1000}, false},
		"another initial seeder":   {Member{Location: "ams/r2", Initial: true}, false},
		"who has a slot with them": {Member{Node: "b", Location: "ams/r2"}, false},
	} {
		o := newTest(Member{Node: "a", Location: "ams/r1"})
		for i := range o.levels {
			o.levels[i].joined, o.levels[i].seen = true, true
		}
		o.levels[0].slot, o.levels[1].slot = 0, 0
		g := Group{Location: "ams", Members: []Member{o.self, fellow, seeder}, Slots: []unit.NodeID{"a", "b"}}
		o.GroupChanged(0, g, nil)
		o.Tick(unit.Time(time.Second), nil)
		if o.levels[1].slot < 0 {
			t.Fatalf("%s: it yields to nobody", name)
		}
		if c.other.Node == "" {
			c.other.Node = "z"
			g.Members = append(g.Members, c.other)
		} else {
			g.Members = []Member{o.self, c.other, seeder}
		}
		o.GroupChanged(unit.Time(time.Second), g, nil)
		out := o.Tick(unit.Time(time.Second).Add(settleLater), nil)
		if yields := o.levels[1].slot < 0 && len(find[Leave](out)) == 1; yields != c.want {
			t.Errorf("%s: it yields: %v, want %v; %v", name, yields, c.want, out)
		}
		g.Slots = []unit.NodeID{"", "b"}
		o.GroupChanged(unit.Time(3*time.Second), g, nil)
		if c.want && len(find[Claim](o.Tick(unit.Time(4*time.Second), nil))) > 1 { // one renews the slot below
			t.Errorf("%s: it claims again what it has left", name)
		}
	}
}
