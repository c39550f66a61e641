package swarm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// by returns a node that fetches or, if full, serves n spans by a reference strategy.
func by(p Picker, n int, full bool) *Swarm {
	lengths, have := make([]int32, n), artifact.NewBitset(n)
	for i := range lengths {
		lengths[i] = Grain
	}
	if full {
		have = artifact.All(n)
	}
	return New(Config{
		Self: "self", Lengths: lengths, Have: have, Download: unlimited(),
		Strategy: Strategy{LowLatency: true, Picker: p},
	})
}

func TestSequentialTakesTheFirst(t *testing.T) {
	s := by(Sequential, 200, false)
	s.PeerJoined(0, PeerInfo{Node: "p"})
	out := s.PeerHas(0, "p", someOf(200, 70, 150, 3), nil)
	if got := requests(out, "p"); !slices.Equal(got, []int32{3, 70, 150}) {
		t.Errorf("asked for %v", got)
	}
}

// Rarest first and the market take what the fewest have.
func TestRarestTakesWhatFewestHave(t *testing.T) {
	for _, picker := range []Picker{Rarest, Market} {
		s := by(picker, 130, false)
		s.Halt(nil)
		for i := range 5 {
			id := unit.NodeID(fmt.Sprint("p", i))
			s.PeerJoined(0, PeerInfo{Node: id})
			have := artifact.All(130)
			if i > 0 {
				have.Clear(129) // which one has
			}
			if i > 1 {
				have.Clear(5) // which two have
			}
			s.PeerHas(0, id, have, nil)
		}
		s.halted = false
		if got := requests(s.fill(0, s.peers["p0"], nil), "p0"); len(got) < 3 || got[0] != 129 || got[1] != 5 {
			t.Errorf("%s asks for %v", picker, got)
		}
	}
}

// Counting by digits gives what counting one by one gives.
func TestRarestAgreesWithCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 150
		s := by(Rarest, n, false)
		counts := make([]int, n)
		for i := range rapid.IntRange(1, 20).Draw(t, "peers") {
			id := unit.NodeID(fmt.Sprint("p", i))
			s.PeerJoined(0, PeerInfo{Node: id})
			held := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, n, rapid.ID).Draw(t, "held")
			s.peers[id].have = setOf(someOf(n, held...))
			for _, x := range held {
				counts[x]++
			}
		}
		among := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 1, n, rapid.ID).Draw(t, "among")
		least := slices.Min(pick(counts, among))
		want := newSet(n)
		for _, x := range among {
			if counts[x] == least {
				want.Set(x)
			}
		}
		s.scratch = setOf(someOf(n, among...))
		if s.leaveRarest(); !slices.Equal(s.scratch, want) {
			t.Fatalf("left %v, want %v", s.scratch, want)
		}
	})
}

func pick(counts, at []int) (picked []int) {
	for _, x := range at {
		picked = append(picked, counts[x])
	}
	return picked
}

// clients connects peers a, b, c, ... that have nothing.
func clients(s *Swarm, n int) (ids []unit.NodeID) {
	for i := range n {
		id := unit.NodeID(rune('a' + i))
		s.PeerJoined(0, PeerInfo{Node: id})
		ids = append(ids, id)
	}
	return ids
}

// whoGets has each peer ask for a span, and returns who is served.
func whoGets(s *Swarm, now unit.Time, x int32, ids []unit.NodeID) (got []unit.NodeID) {
	for _, id := range ids {
		if _, ok := s.PeerWants(now, id, Block{Span: x, Length: Grain}, nil)[0].(Upload); ok {
			got = append(got, id)
		}
	}
	return got
}

// A seeder serves five; in the next round the four that took most, and one by
// chance, for three rounds.
func TestTitForTatServesWhoTakesMost(t *testing.T) {
	s := by(Rarest, 4, true)
	ids := clients(s, 9)
	if got := whoGets(s, 0, 0, ids); !slices.Equal(got, ids[:5]) {
		t.Fatalf("%v are served first", got)
	}
	if got := whoGets(s, seconds(9), 0, ids); !slices.Equal(got, ids[:5]) {
		t.Fatalf("within the round %v are served", got)
	}
	for i, id := range ids[2:6] {
		s.Sent(id, unit.Bytes(1000+i))
	}
	lucky := map[unit.NodeID]int{}
	for round := 1; round <= 3; round++ {
		got := whoGets(s, seconds(10*float64(round)), 0, ids)
		if len(got) != 5 || !slices.Equal(remove(got, ids[2:6]), got[:0]) && len(remove(got, ids[2:6])) != 1 {
			t.Fatalf("in round %d %v are served", round, got)
		}
		for _, id := range remove(got, ids[2:6]) {
			lucky[id]++
		}
		for i, id := range ids[2:6] {
			s.Sent(id, unit.Bytes(1000+i))
		}
	}
	if len(lucky) != 1 {
		t.Errorf("within 30 s several were lucky: %v", lucky)
	}
}

func remove(from, what []unit.NodeID) []unit.NodeID {
	return slices.DeleteFunc(slices.Clone(from), func(id unit.NodeID) bool { return slices.Contains(what, id) })
}

// Who lacks spans serves who gives.
func TestTitForTatServesWhoGives(t *testing.T) {
	s := by(Rarest, 4, false)
	s.PeerJoined(0, PeerInfo{Node: "z"})
	s.gain(0)
	ids := clients(s, 9)
	whoGets(s, 0, 0, ids)
	for _, id := range ids[5:] {
		s.peers[id].account.Down += 1000
	}
	got := whoGets(s, seconds(10), 0, ids)
	if len(remove(ids[5:], got)) != 0 {
		t.Errorf("%v gave, and %v are served", ids[5:], got)
	}
}

// A market sells what few have to who is fast.
func TestMarketSellsToTheFast(t *testing.T) {
	s := by(Market, 4, true)
	ids := clients(s, 6)
	whoGets(s, 0, 0, ids)
	for i, id := range ids {
		s.peers[id].pace.rate = unit.Rate(1000 * (i + 1))
	}
	if got := whoGets(s, seconds(1), 0, ids); !slices.Equal(got, ids[2:]) {
		t.Errorf("%v are served", got)
	}
	// What everybody has by now but the slow one is worth nothing; what nobody has
	// is worth much, also from a slow one.
	for _, id := range ids[1:] {
		s.PeerGot(seconds(1), id, []uint32{0}, nil)
	}
	whoGets(s, seconds(1.5), 3, ids[:1])
	whoGets(s, seconds(1.5), 0, ids[1:])
	if got := whoGets(s, seconds(2), 3, ids[:1]); len(got) != 1 {
		t.Error("who asks for what nobody has is not served")
	}
}

// Who is choked asks for nothing until the round ends.
func TestChokedAsksNothing(t *testing.T) {
	s := by(Rarest, 50, false)
	s.PeerJoined(0, PeerInfo{Node: "p"})
	out := s.PeerHas(0, "p", artifact.All(50), nil)
	for _, a := range out {
		if r, ok := a.(Request); ok {
			out = s.Refused(0, "p", r.Block, 8*time.Second, nil)
			if got := requests(out, "p"); len(got) > 0 {
				t.Fatalf("choked, it asks for %v", got)
			}
		}
	}
	if got := requests(s.Tick(seconds(7.9), nil), "p"); len(got) > 0 {
		t.Fatalf("choked, it asks for %v", got)
	}
	if got := requests(s.Tick(seconds(8), nil), "p"); len(got) == 0 {
		t.Error("it never asks again")
	}
}

// Without low latency announcements wait for others for a second, and what came to
// nothing meanwhile is not told.
func TestWithoutLowLatencyAnnouncementsWait(t *testing.T) {
	st := DefaultStrategy()
	st.LowLatency = false
	s := New(Config{
		Self: "self", Location: "r", Lengths: []int32{Grain, Grain}, Have: artifact.NewBitset(2),
		Download: unlimited(), Strategy: st,
	})
	for _, id := range []unit.NodeID{"p", "q"} {
		s.PeerJoined(0, PeerInfo{Node: id, Location: "r"})
	}
	s.PeerHas(0, "p", artifact.All(2), nil)
	if out := s.Flush(0, nil); len(out) != 0 {
		t.Fatalf("announced at once: %v", out)
	}
	s.Received(1, "p", Block{0, 0, Grain}, true, nil)
	s.Stored(1, 0, true, nil)
	if at := s.NextDeadline(1); at > unit.Time(announceEvery) {
		t.Fatalf("nobody wakes it: %v", at)
	}
	out := s.Flush(unit.Time(announceEvery), nil)
	if got := told(out, Start); !slices.Equal(got, []uint32{1}) {
		t.Errorf("STARTed %v", got)
	}
	if got := told(out, Have); !slices.Contains(got, 0) {
		t.Errorf("has %v", got)
	}
	if out := s.Flush(unit.Time(announceEvery), nil); len(out) != 0 {
		t.Errorf("announced twice: %v", out)
	}
}
