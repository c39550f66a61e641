package overlay

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

func newTest(self Member) *Overlay { return New(Config{Self: self, Rand: unit.NewRand(1)}) }

func group(at unit.Location, slots []unit.NodeID, names ...string) Group {
	g := Group{Location: at, Version: 1, Slots: slots}
	for _, n := range names {
		g.Members = append(g.Members, Member{Node: unit.NodeID(n), Addr: n + ":1", Location: "ams/r1"})
	}
	return g
}

func find[T Action](actions []Action) (all []T) {
	for _, a := range actions {
		if a, ok := a.(T); ok {
			all = append(all, a)
		}
	}
	return all
}

func TestRepresentatives(t *testing.T) {
	for n, want := range []int{1, 1, 1, 2, 2, 2} {
		if got := Representatives(n); got != want || n > 1 && got >= n {
			t.Errorf("of %d members %d represent, want %d", n, got, want)
		}
	}
}

// A node enters its rack, sees that nobody represents it, takes a slot and goes
// up a level, and so on to the root (requirement 22).
func TestBottomUp(t *testing.T) {
	o := newTest(Member{Node: "b", Location: "ams/r1"})
	out := o.Start(0, nil)
	if joins := find[Join](out); len(joins) != 1 || joins[0].Location != "ams/r1" {
		t.Fatalf("start: %v", out)
	}
	now := unit.Time(0)
	for _, at := range []unit.Location{"ams/r1", "ams"} {
		o.GroupChanged(now, group(at, nil, "b", "c"), nil)
		if d := o.NextDeadline(); d > now.Add(settleJitter) {
			t.Fatalf("at %s representatives are counted at %d", at, d)
		}
		now = now.Add(settleJitter)
		claims := find[Claim](o.Tick(now, nil))
		if len(claims) != 1 || claims[0] != (Claim{Location: at, Slots: 1}) {
			t.Fatalf("at %s: claims %v", at, claims)
		}
		joins := find[Join](o.Claimed(now, at, 0, true, nil))
		if len(joins) != 1 || joins[0].Location != at.Parent() {
			t.Fatalf("after a slot of %s: %v", at, joins)
		}
	}
	if o.Role() != "representative of ams/r1, ams" {
		t.Errorf("role %q", o.Role())
	}
	o.GroupChanged(now, group("", nil, "b", "x"), nil)
	if claims := find[Claim](o.Tick(now.Add(time.Second), nil)); slices.ContainsFunc(claims, func(c Claim) bool { return c.Location == "" }) {
		t.Error("the root has no representatives")
	}
	if v := o.View(); v.Highest != "" || len(v.Members) != 1 || len(v.Peers) != 2 {
		t.Errorf("view %+v", v)
	}
}

// Who has a limit leaves the slots to members that it would hold up, if there are
// enough of them.
func TestLimitedLeavesTheSlot(t *testing.T) {
	for _, c := range []struct {
		name   string
		self   unit.Rate
		others []Member
		slots  []unit.NodeID
		claims int
	}{
		{"others have none", 1e6, []Member{{Node: "a"}}, nil, 0},
		{"others have higher ones", 1e6, []Member{{Node: "a", Limit: 2e6}}, nil, 0},
		{"others have the same", 1e6, []Member{{Node: "a", Limit: 1e6}}, nil, 1},
		{"others have lower ones", 1e6, []Member{{Node: "a", Limit: 1}}, nil, 1},
		{"it has none", 0, []Member{{Node: "a"}}, nil, 1},
		{"the other goes up by itself", 1e6, []Member{{Node: "a", Initial: true}}, nil, 1},
		{"the other is almost done", 1e6, []Member{{Node: "a", Permille: almostDone}}, nil, 1},
		{"there is one other for two slots", 1e6, []Member{{Node: "a"}, {Node: "c", Limit: 1e6}}, nil, 1},
		{"the one other holds one of two", 1e6, []Member{{Node: "a"}, {Node: "c", Limit: 1e6}}, []unit.NodeID{"a"}, 1},
		{"there are others for both slots", 1e6, []Member{{Node: "a"}, {Node: "c"}}, []unit.NodeID{"a"}, 0},
	} {
		self := Member{Node: "b", Location: "ams/r1", Limit: c.self}
		o := newTest(self)
		o.Start(0, nil)
		o.GroupChanged(0, Group{Location: "ams/r1", Version: 1, Members: append(c.others, self), Slots: c.slots}, nil)
		if claims := find[Claim](o.Tick(unit.Time(settleJitter), nil)); len(claims) != c.claims {
			t.Errorf("%s: claims %v, want %d", c.name, claims, c.claims)
		}
	}
}

// Who is almost done does not take a slot, unless there is no representative at
// all (requirement 24).
func TestAlmostDoneLeavesTheSlot(t *testing.T) {
	for _, c := range []struct {
		permille int
		holders  []unit.NodeID
		wants    bool
	}{
		{100, []unit.NodeID{"c", ""}, true},
		{960, []unit.NodeID{"c", ""}, false},
		{960, []unit.NodeID{"", ""}, true},
		{100, []unit.NodeID{"c", "d"}, false},
	} {
		o := newTest(Member{Node: "b", Location: "ams/r1", Permille: c.permille})
		o.Start(0, nil)
		o.GroupChanged(0, group("ams/r1", c.holders, "b", "c", "d"), nil)
		claims := find[Claim](o.Tick(unit.Time(settleJitter), nil))
		if got := len(claims) > 0; got != c.wants {
			t.Errorf("%d permille, holders %v: claims %v", c.permille, c.holders, claims)
		}
	}
}

func TestInitialSeederIsInEveryGroup(t *testing.T) {
	o := newTest(Member{Node: "s", Location: "ams/r1/h3", Initial: true, Complete: true, Permille: 1000})
	var at []unit.Location
	for _, j := range find[Join](o.Start(0, nil)) {
		at = append(at, j.Location)
	}
	if want := []unit.Location{"ams/r1/h3", "ams/r1", "ams", ""}; !slices.Equal(at, want) {
		t.Errorf("joined %v, want %v", at, want)
	}
	if left := find[Leave](o.Claimed(0, "ams/r1", 0, false, nil)); len(left) != 0 {
		t.Errorf("an initial seeder left %v", left)
	}
}

// A representative that loses its slot leaves the groups above and hangs up on
// those that only these named.
func TestLostSlot(t *testing.T) {
	o := newTest(Member{Node: "b", Location: "ams/r1"})
	o.Start(0, nil)
	o.GroupChanged(0, group("ams/r1", nil, "b", "c"), nil)
	o.Claimed(0, "ams/r1", 0, true, nil)
	o.GroupChanged(0, group("ams", nil, "b", "x"), nil)
	if _, named := o.Named("x"); !named {
		t.Fatal("x is not named")
	}
	out := o.Claimed(0, "ams/r1", 0, false, nil)
	if left := find[Leave](out); len(left) != 1 || left[0].Location != "ams" {
		t.Errorf("left %v", left)
	}
	if gone := find[Disconnect](out); len(gone) != 1 || gone[0].Peer != "x" {
		t.Errorf("disconnected %v", gone)
	}
	if _, named := o.Named("c"); !named {
		t.Error("c is in the rack and not named any more")
	}
}

// The smaller name dials, and again with backoff when that fails.
func TestDialing(t *testing.T) {
	o := newTest(Member{Node: "b", Location: "ams/r1"})
	o.Start(0, nil)
	out := o.GroupChanged(0, group("ams/r1", nil, "a", "b", "c"), nil)
	if c := find[Connect](out); len(c) != 1 || c[0].Peer.Node != "c" {
		t.Fatalf("dials %v", c)
	}
	if c := find[Connect](o.Tick(unit.Time(time.Minute), nil)); len(c) != 0 {
		t.Fatalf("dials %v while a dial is under way", c)
	}
	o.PeerDown(0, "c")
	at := o.links["c"].dialAt
	if at < unit.Time(redialMin) || at > unit.Time(2*redialMin) {
		t.Errorf("redials at %v", time.Duration(at))
	}
	if c := find[Connect](o.Tick(at, nil)); len(c) != 1 {
		t.Errorf("redials %v", c)
	}
}

// While the store is down nothing is joined, left or hung up (requirement 30);
// when it comes back, maybe empty, peers are kept until all have joined again.
func TestFrozenWithoutStore(t *testing.T) {
	o := newTest(Member{Node: "b", Location: "ams/r1"})
	o.Start(0, nil)
	o.GroupChanged(0, group("ams/r1", nil, "b", "c"), nil)
	o.PeerUp("c")
	o.StoreDown()
	hour := unit.Time(time.Hour)
	if out := o.Tick(hour, nil); len(out) != 0 {
		t.Errorf("without a store: %v", out)
	}
	o.StoreUp(hour)
	if joins := find[Join](o.Tick(hour, nil)); len(joins) != 1 {
		t.Errorf("after the outage: %v", joins)
	}
	if out := find[Disconnect](o.GroupChanged(hour, group("ams/r1", nil, "b"), nil)); len(out) != 0 {
		t.Errorf("hung up at once: %v", out)
	}
	if out := find[Disconnect](o.Tick(hour.Add(MemberTTL), nil)); len(out) != 1 {
		t.Errorf("never hung up: %v", out)
	}
}

// Whatever comes, a node is in a higher group only as a representative, it
// connects only to who is named, never to itself, and it never sleeps past its
// leases.
func TestInvariants(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	places := []unit.Location{"x/y", "x", ""}
	rapid.Check(t, func(t *rapid.T) {
		o := newTest(Member{Node: "b", Location: "x/y"})
		now := unit.Time(0)
		out := o.Start(now, nil)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at := rapid.SampledFrom(places).Draw(t, "at")
			peer := unit.NodeID(rapid.SampledFrom(names).Draw(t, "peer"))
			switch rapid.IntRange(0, 6).Draw(t, "event") {
			case 0:
				in := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 4, rapid.ID).Draw(t, "members")
				slices.Sort(in)
				out = o.GroupChanged(now, group(at, []unit.NodeID{peer}, in...), nil)
			case 1:
				out = o.Claimed(now, at, 0, rapid.Bool().Draw(t, "ok"), nil)
			case 2:
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(t, "wait")))
				out = o.Tick(now, nil)
			case 3:
				o.PeerUp(peer)
			case 4:
				o.PeerDown(now, peer)
			case 5:
				o.StoreDown()
			case 6:
				o.StoreUp(now)
			}
			checkInvariants(t, o, now, out)
			out = nil
		}
	})
}

func checkInvariants(t *rapid.T, o *Overlay, now unit.Time, out []Action) {
	for i := 1; i < len(o.levels); i++ {
		if o.levels[i].joined && o.levels[i-1].slot < 0 {
			t.Fatalf("in %s without a slot of %s", o.levels[i].location, o.levels[i-1].location)
		}
	}
	for _, c := range find[Connect](out) {
		if _, named := o.Named(c.Peer.Node); c.Peer.Node == o.self.Node || !named && !o.down && now >= o.keepUntil {
			t.Fatalf("connects to %s", c.Peer.Node)
		}
	}
	if !o.down && o.NextDeadline() > now.Add(MemberRefresh) {
		t.Fatal(fmt.Sprintf("sleeps until %v at %v", time.Duration(o.NextDeadline()), time.Duration(now)))
	}
}

// What the seeder's neighbours send outward shares one uplink with what they send
// to the rest of the location: members of its other parts represent it.
func TestNeighboursOfTheSeederLeaveTheSlot(t *testing.T) {
	at := func(node string, l unit.Location, initial bool) Member {
		return Member{Node: unit.NodeID(node), Location: l, Initial: initial}
	}
	seeder := at("s", "ams/r1", true)
	for _, c := range []struct {
		name   string
		self   Member
		others []Member
		slots  []unit.NodeID
		want   bool
	}{
		{"nobody else is there", at("b", "ams/r1", false), []Member{seeder, at("c", "ams/r1", false)}, nil, true},
		{"members of other racks are", at("b", "ams/r1", false), []Member{seeder, at("c", "ams/r2", false), at("d", "ams/r2", false)}, nil, false},
		{"who is elsewhere takes it", at("c", "ams/r2", false), []Member{seeder, at("b", "ams/r1", false), at("d", "ams/r2", false)}, nil, true},
		{"its rack has one, another none", at("c", "ams/r2", false), []Member{at("d", "ams/r2", false), at("e", "ams/r3", false)}, []unit.NodeID{"d"}, false},
		{"every rack has one", at("c", "ams/r2", false), []Member{at("d", "ams/r2", false), at("b", "ams/r3", false), at("e", "ams/r4", false)}, []unit.NodeID{"d"}, false},
		{"the other rack's member is slow", at("c", "ams/r2", false), []Member{at("d", "ams/r2", false), {Node: "e", Location: "ams/r3", Limit: 1}}, []unit.NodeID{"d"}, true},
	} {
		o := newTest(c.self)
		l := &o.levels[1]
		l.joined, l.seen = true, true
		l.group = Group{Location: "ams", Members: append(c.others, c.self), Slots: c.slots}
		if got := o.wantsSlot(1); got != c.want {
			t.Errorf("%s: wants a slot: %t", c.name, got)
		}
	}
}
