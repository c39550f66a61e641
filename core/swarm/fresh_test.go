package swarm

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Two representatives of a rack hear at once that somebody outside has a span. Only
// the one whose turn it is asks; the other does if nobody STARTs it for a while.
func TestNewsIsLeftToWhoseTurnItIs(t *testing.T) {
	const spans = 20
	fellows := []unit.NodeID{"a", "b"}
	asked := map[int32]int{}
	for i, self := range fellows {
		fellow, out := PeerInfo{Node: fellows[1-i], Location: "r1"}, PeerInfo{Node: "out", Location: "r2"}
		s := newTest(self, "r1", spans)
		s.PeerJoined(0, fellow)
		s.PeerJoined(0, out)
		s.Moved(0, unit.Root, []PeerInfo{fellow, out}, []PeerInfo{fellow, out}, nil)
		all := make([]uint32, spans)
		for x := range all {
			all[x] = uint32(x)
		}
		mine := requests(s.PeerGot(0, "out", all, nil), "out")
		for _, x := range mine {
			asked[x]++
		}
		rest := requests(s.Tick(unit.Time(turnFirst), nil), "out")
		if len(mine) == 0 || len(mine)+len(rest) != spans {
			t.Errorf("%s asked for %v, and later for %v: not for all %d", self, mine, rest, spans)
		}
	}
	for x := range int32(spans) {
		if asked[x] != 1 {
			t.Errorf("%d asked for span %d at once, want 1", asked[x], x)
		}
	}
}

// What another peer outside has had for longer is asked of that one.
func TestNewsIsOfOnePeer(t *testing.T) {
	fellow := PeerInfo{Node: "fellow", Location: "r1"}
	old, young := PeerInfo{Node: "old", Location: "r2"}, PeerInfo{Node: "young", Location: "r3"}
	members := []PeerInfo{fellow, old, young}
	s := newTest("self", "r1", 40)
	for _, m := range members {
		s.PeerJoined(0, m)
	}
	s.Moved(0, unit.Root, members, members, nil)
	s.redivide()
	x := uint32(0)
	for s.turn(int32(x), 0) {
		x++
	}
	s.Halt(nil)
	s.PeerGot(0, "old", []uint32{x}, nil)
	s.PeerGot(unit.Time(turnFirst), "young", []uint32{x}, nil)
	s.halted = false
	out := s.Tick(unit.Time(turnFirst), nil)
	if got := requests(out, "old"); len(got) != 1 {
		t.Errorf("asked the one that has it for %v", got)
	}
	if got := requests(out, "young"); len(got) != 0 {
		t.Errorf("asked the one that got it now for %v", got)
	}
}

// Two members of a rack, one of which represents the whole datacenter, too, take
// turns with what comes from the next rack; what comes from afar is the first one's.
func TestRepresentativesAboveTakeTheirTurnBelow(t *testing.T) {
	above, below := PeerInfo{Node: "above", Location: "ams/r1", Top: 1}, PeerInfo{Node: "below", Location: "ams/r1", Top: 1}
	next, far := PeerInfo{Node: "next", Location: "ams/r2", Top: 1}, PeerInfo{Node: "far", Location: "fra/r1"}
	first, second := newTest("above", "ams/r1", 100), newTest("below", "ams/r1", 100)
	first.Moved(0, unit.Root, []PeerInfo{far}, []PeerInfo{below, next, far}, nil)
	second.Moved(0, "ams", []PeerInfo{above, next}, []PeerInfo{above, next}, nil)
	first.redivide()
	second.redivide()
	for x := range int32(100) {
		if first.turn(x, 1) == second.turn(x, 1) {
			t.Errorf("span %d of the next rack is brought in by both or by nobody", x)
		}
		if !first.turn(x, 0) {
			t.Errorf("span %d from afar is not brought in by the only member that is there", x)
		}
	}
}
