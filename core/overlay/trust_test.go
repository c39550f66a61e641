package overlay

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A member claims a slot beside that of a representative that sent it wrong bytes, and
// says in its record whom it distrusts, until it trusts it again.
func TestDistrustedRepresentative(t *testing.T) {
	for name, c := range map[string]struct {
		distrusted []unit.NodeID
		slots      int // that it claims one of; 0: none
	}{
		"nobody":         {},
		"one of the two": {[]unit.NodeID{"b"}, 3},
		"both":           {[]unit.NodeID{"b", "c"}, 4},
		"another member": {[]unit.NodeID{"d"}, 0},
	} {
		o := newTest(Member{Node: "a", Location: "ams/r1"})
		o.Start(0, nil)
		o.GroupChanged(0, group("ams/r1", []unit.NodeID{"b", "c"}, "a", "b", "c", "d"), nil)
		for _, node := range c.distrusted {
			o.Distrust(0, node)
		}
		out := o.Tick(unit.Time(settleJitter), nil)
		claims, joins := find[Claim](out), find[Join](out)
		if got := len(claims); c.slots == 0 && got > 0 || c.slots > 0 && (got != 1 || claims[0].Slots != c.slots) {
			t.Errorf("%s: claims %v, want one of %d slots", name, claims, c.slots)
		}
		if len(c.distrusted) > 0 && (len(joins) != 1 || !slices.Equal(joins[0].Member.Distrusts, c.distrusted)) {
			t.Errorf("%s: its record is %v", name, joins)
		}
		for _, node := range c.distrusted {
			o.Trust(1, node)
		}
		if o.wantsSlot(0) || len(o.record(0).Distrusts) > 0 {
			t.Errorf("%s: what it trusts again counts no more", name)
		}
	}
}

// A representative goes when most members distrust it, of those who can tell. One
// member alone has nobody replaced, however small the location, nor do liars whom the
// representative has found out itself.
func TestDeposed(t *testing.T) {
	type members []Member
	accuses := []unit.NodeID{"a"}
	for name, c := range map[string]struct {
		others members
		liars  []unit.NodeID // whom the representative distrusts
		want   bool
	}{
		"nobody accuses":            {others: members{{Node: "b"}, {Node: "c"}, {Node: "d"}}},
		"one of three":              {others: members{{Node: "b", Distrusts: accuses}, {Node: "c"}, {Node: "d"}}},
		"two of three":              {others: members{{Node: "b", Distrusts: accuses}, {Node: "c", Distrusts: accuses}, {Node: "d"}}, want: true},
		"two of four":               {others: members{{Node: "b", Distrusts: accuses}, {Node: "c", Distrusts: accuses}, {Node: "d"}, {Node: "e"}}},
		"the only other":            {others: members{{Node: "b", Distrusts: accuses}}},
		"two who are liars":         {others: members{{Node: "b", Distrusts: accuses}, {Node: "c", Distrusts: accuses}, {Node: "d"}}, liars: []unit.NodeID{"b", "c"}},
		"all who fetch":             {others: members{{Node: "b", Distrusts: accuses}, {Node: "c", Distrusts: accuses}, {Node: "d", Initial: true}, {Node: "e", Complete: true}}, want: true},
		"they distrust another one": {others: members{{Node: "b", Distrusts: []unit.NodeID{"d"}}, {Node: "c", Distrusts: []unit.NodeID{"d"}}, {Node: "d"}}},
	} {
		o := newTest(Member{Node: "a", Location: "ams/r1"})
		o.Start(0, nil)
		o.GroupChanged(0, group("ams/r1", nil, "a", "b", "c"), nil)
		o.Claimed(0, "ams/r1", 0, true, nil)
		for _, node := range c.liars {
			o.Distrust(0, node)
		}
		g := Group{Location: "ams/r1", Slots: []unit.NodeID{"a"}, Members: append(members{o.self}, c.others...)}
		left := find[Leave](o.GroupChanged(1, g, nil))
		if went := len(left) > 0 && o.levels[0].slot < 0; went != c.want {
			t.Errorf("%s: it goes: %t", name, went)
		}
		if c.want && o.wantsSlot(0) {
			t.Errorf("%s: it wants the slot back", name)
		}
	}
}
