package overlay

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A member whose connections to all representatives have ended claims a slot beside
// theirs; it does not while one of them is there, nor before it has met them.
func TestMemberSucceedsTheDead(t *testing.T) {
	for name, c := range map[string]struct {
		up, down []unit.NodeID
		want     int // slots it claims one of; 0: none
	}{
		"both are there":   {up: []unit.NodeID{"b", "c"}},
		"neither was met":  {},
		"one is gone":      {up: []unit.NodeID{"b", "c"}, down: []unit.NodeID{"b"}},
		"both are gone":    {up: []unit.NodeID{"b", "c"}, down: []unit.NodeID{"b", "c"}, want: 4},
		"one was not met":  {up: []unit.NodeID{"b"}, down: []unit.NodeID{"b"}},
		"dials to it fail": {down: []unit.NodeID{"b", "c"}},
	} {
		o := newTest(Member{Node: "a", Location: "ams/r1"})
		l := &o.levels[0]
		l.joined, l.seen = true, true
		o.GroupChanged(0, Group{
			Location: "ams/r1",
			Members:  []Member{o.self, {Node: "b", Location: "ams/r1"}, {Node: "c", Location: "ams/r1"}},
			Slots:    []unit.NodeID{"b", "c"},
		}, nil)
		for _, p := range c.up {
			o.PeerUp(p)
		}
		for _, p := range c.down {
			o.PeerDown(0, p)
		}
		got := 0
		for _, a := range o.Tick(unit.Time(settleJitter), nil) {
			if claim, is := a.(Claim); is {
				got = claim.Slots
			}
		}
		if got != c.want {
			t.Errorf("%s: it claims one of %d slots, want %d", name, got, c.want)
		}
	}
}
