package swarm

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

func newTest(self unit.NodeID, at unit.Location, n int) *Swarm {
	lengths := make([]int32, n)
	for i := range lengths {
		lengths[i] = Grain
	}
	return New(Config{
		Self: self, Location: at, Lengths: lengths, Have: artifact.NewBitset(n),
		Download: unlimited(),
	})
}

// owners lets every member compute its own shares of a group.
func owners(members []PeerInfo, n int) [][]unit.NodeID {
	by := make([][]unit.NodeID, n)
	for i, m := range members {
		s := newTest(m.Node, m.Location, n)
		others := append(append([]PeerInfo{}, members[:i]...), members[i+1:]...)
		s.Moved(0, unit.Root, others, nil, nil)
		s.redivide()
		for x := range n {
			if s.owns(int32(x)) {
				by[x] = append(by[x], m.Node)
			}
		}
	}
	return by
}

func fleet(n int) []PeerInfo {
	var members []PeerInfo
	for i := range n {
		members = append(members, PeerInfo{Node: unit.NodeID(fmt.Sprintf("n%d", i)), Location: unit.Location(fmt.Sprintf("r%d", i%3))})
	}
	return members
}

// Every span, the last ones too, has exactly one owner, though each member
// computes that alone (requirement 15).
func TestEverySpanHasOneOwner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5000).Draw(t, "spans")
		for x, by := range owners(fleet(rapid.IntRange(1, 8).Draw(t, "members")), n) {
			if len(by) != 1 {
				t.Fatalf("span %d of %d is owned by %v", x, n, by)
			}
		}
	})
}

// A member that joins takes spans only for itself: between the others none
// moves.
func TestJoiningMovesOnlyToTheNewMember(t *testing.T) {
	before, after := owners(fleet(5), 2000), owners(fleet(6), 2000)
	moved := 0
	for x := range before {
		if before[x][0] != after[x][0] {
			moved++
			if after[x][0] != "n5" {
				t.Errorf("span %d moved from %s to %s", x, before[x][0], after[x][0])
			}
		}
	}
	if moved == 0 || moved > 2000/3 {
		t.Errorf("%d of 2000 spans moved to the sixth member", moved)
	}
}

// Of the members inside one location exactly one brings each span in.
func TestOneMemberBringsASpanIn(t *testing.T) {
	members := fleet(6) // two in each of three racks
	count := make([]int, 1000)
	for i, m := range members {
		if m.Location != "r1" {
			continue
		}
		s := newTest(m.Node, m.Location, len(count))
		s.Moved(0, unit.Root, append(append([]PeerInfo{}, members[:i]...), members[i+1:]...), nil, nil)
		s.redivide()
		for x := range count {
			if s.brings(int32(x)) {
				count[x]++
			}
		}
	}
	for x, n := range count {
		if n != 1 {
			t.Fatalf("span %d is brought in by %d members", x, n)
		}
	}
}

// Seeders take no share.
func TestSeedersOwnNothing(t *testing.T) {
	s := newTest("a", "r", 100)
	s.PeerJoined(0, PeerInfo{Node: "done", Location: "r"})
	s.PeerHas(0, "done", artifact.All(100), nil)
	s.Moved(0, "r", []PeerInfo{{Node: "done", Location: "r"}, {Node: "origin", Location: "r", Initial: true}}, nil, nil)
	s.redivide()
	for x := range int32(100) {
		if !s.owns(x) {
			t.Fatalf("span %d is not ours although everybody else is a seeder", x)
		}
	}
}
