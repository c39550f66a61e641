package storetest

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

func membersExpire(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	k := group(t, "ams1/rsn-1")
	g, err := s.Group(c, k)
	must(t, err)
	equal(t, "a group nobody joined", g, overlay.Group{Location: k.Location, Members: []overlay.Member{}, Slots: []unit.NodeID{}})
	must(t, s.JoinGroup(c, k, member("b", 5), long))
	must(t, s.JoinGroup(c, k, member("a", 1), short))
	must(t, s.JoinGroup(c, k, member("c", 9), long))
	must(t, s.LeaveGroup(c, k, "c"))
	must(t, s.LeaveGroup(c, k, "nobody"))
	eventually(t, "members", []overlay.Member{member("b", 5)}, func() []overlay.Member { return read(t, s, k).Members })
	must(t, s.JoinGroup(c, k, member("a", 2), long))
	equal(t, "back again", read(t, s, k).Members, []overlay.Member{member("a", 2), member("b", 5)})
	other := group(t, "ams1")
	equal(t, "the group above", len(read(t, s, other).Members), 0)
}

func read(t *testing.T, s *store.Store, k store.GroupKey) overlay.Group {
	t.Helper()
	g, err := s.Group(t.Context(), k)
	must(t, err)
	return g
}

// refreshIsSilent: each change is one version, a refresh none.
func refreshIsSilent(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	k := group(t, "")
	must(t, s.JoinGroup(c, k, member("a", 1), long))
	first := read(t, s, k).Version
	must(t, s.JoinGroup(c, k, member("a", 1), long))
	slot, ok, err := s.ClaimSlot(c, k, "a", 2, long)
	must(t, err)
	equal(t, "claimed", ok, true)
	_, err = s.RenewSlot(c, k, "a", slot, long)
	must(t, err)
	_, _, err = s.ClaimSlot(c, k, "a", 2, long)
	must(t, err)
	must(t, s.LeaveGroup(c, k, "nobody"))
	equal(t, "one claim", read(t, s, k).Version, first+1)
	must(t, s.JoinGroup(c, k, member("a", 2), long))
	equal(t, "a changed record", read(t, s, k).Version, first+2)
	must(t, s.LeaveGroup(c, k, "a"))
	equal(t, "member and slot at once", read(t, s, k).Version, first+3)
}

func slotsByExample(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	k := group(t, "ams1")
	claim := func(node unit.NodeID, slots, want int) {
		t.Helper()
		slot, ok, err := s.ClaimSlot(c, k, node, slots, long)
		must(t, err)
		if !ok {
			slot = -1
		}
		equal(t, "slot of "+string(node), slot, want)
	}
	renew := func(node unit.NodeID, slot int, want bool) {
		t.Helper()
		ok, err := s.RenewSlot(c, k, node, slot, long)
		must(t, err)
		equal(t, "renewal of "+string(node), ok, want)
	}
	claim("a", 3, 0)
	claim("b", 3, 1)
	claim("c", 3, 2)
	claim("d", 3, -1)
	claim("b", 3, 1)
	renew("b", 1, true)
	renew("a", 1, false)
	renew("d", 3, false)
	equal(t, "holders", read(t, s, k).Slots, []unit.NodeID{"a", "b", "c"})

	claim("d", 2, -1) // three hold slots of two
	must(t, s.ReleaseSlot(c, k, "d", 0))
	must(t, s.ReleaseSlot(c, k, "a", 0))
	claim("d", 2, -1) // two do: b, and c whose slot is beyond the number
	renew("c", 2, false)
	renew("b", 1, true)
	claim("d", 2, 0)
	claim("c", 2, -1)
	equal(t, "holders of two", read(t, s, k).Slots, []unit.NodeID{"d", "b"})
	claim("d", 0, -1)
	equal(t, "no slots", read(t, s, k).Slots, []unit.NodeID{"", "b"})
}

func slotsEndWithMembership(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	k := group(t, "ams1")
	for _, node := range []unit.NodeID{"stays", "leaves", "dies", "lapses"} {
		ttl, lease := long, long
		switch node {
		case "dies":
			ttl = short
		case "lapses":
			lease = short
		}
		_, _, err := s.ClaimSlot(c, k, node, 4, lease)
		must(t, err)
		must(t, s.JoinGroup(c, k, member(node, 0), ttl))
	}
	must(t, s.LeaveGroup(c, k, "leaves"))
	eventually(t, "holders", []unit.NodeID{"stays"}, func() []unit.NodeID { return read(t, s, k).Slots })
	equal(t, "members", len(read(t, s, k).Members), 2)
}
