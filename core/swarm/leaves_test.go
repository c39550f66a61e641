package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// refuseLeaves answers each FetchLeaves that nothing is given.
func refuseLeaves(s *Swarm, now unit.Time, out []Action) []Action {
	for i := 0; i < len(out); i++ {
		if f, ok := out[i].(FetchLeaves); ok {
			out = s.Leaves(now, f.Peer, f.Span, LeavesRefused, nil, out)
		}
	}
	return out
}

// informants are those who are asked for leaves.
func informants(out []Action) (peers []unit.NodeID) {
	for _, a := range out {
		if f, ok := a.(FetchLeaves); ok {
			peers = append(peers, f.Peer)
		}
	}
	return peers
}

// dropped are the parts of spans that are thrown away.
func dropped(out []Action) (blocks []Block) {
	for _, a := range out {
		if d, ok := a.(DropBlock); ok {
			blocks = append(blocks, d.Block)
		}
	}
	return blocks
}

// asking lists who is asked for what.
func asking(out []Action) map[unit.NodeID][]Block {
	asked := map[unit.NodeID][]Block{}
	for _, a := range out {
		if r, ok := a.(Request); ok {
			asked[r.Peer] = append(asked[r.Peer], r.Block)
		}
	}
	return asked
}

// sentBy is a swarm whose span x is there, n of them being of the same length. A
// letter for each grain says who sent it; the others have all spans, too.
func sentBy(x int32, n int, grains string, others ...unit.NodeID) *Swarm {
	lengths := make([]int32, n)
	for i := range lengths {
		lengths[i] = int32(len(grains)) * Grain
	}
	s := New(Config{
		Self: "self", Location: "dc/r", Lengths: lengths, Have: artifact.NewBitset(n),
		Download: unlimited(),
	})
	join := func(id unit.NodeID, at unit.Location) {
		s.PeerJoined(0, PeerInfo{Node: id, Location: at, MaxRequest: Grain})
		s.peers[id].have = setOf(artifact.All(n))
		s.peers[id].haveCount = n
	}
	for _, c := range grains {
		if id := unit.NodeID(c); s.peers[id] == nil {
			join(id, "dc/r")
		}
	}
	for _, id := range others {
		join(id, "dc/q")
	}
	deliver(s, x, grains)
	return s
}

// deliver has the grains of a span arrive.
func deliver(s *Swarm, x int32, grains string) {
	a := s.actives.of[x]
	if a == nil {
		a = s.begin(1, x, s.peers[unit.NodeID(grains[0])])
	}
	for i, c := range grains {
		if c == '.' {
			continue
		}
		at := s.seats[unit.NodeID(c)]
		a.note(1, at)
		s.take(at, s.block(x, i, i+1), true, false, nil)
	}
}

func bytesOf(x int32, from, to int32) Block { return Block{Span: x, Begin: from, Length: to - from} }

// Who sent what is wrong is blamed, and nobody else; only that is fetched again,
// of others.
func TestLeavesTellTheLiar(t *testing.T) {
	s := sentBy(0, 1, "aabba", "z")
	out := s.Stored(2, 0, false, nil)
	if got := informants(out); !slices.Equal(got, []unit.NodeID{"z"}) {
		t.Fatalf("asked for leaves: %v, want who sent nothing; %v", got, out)
	}
	wrong := s.block(0, 2, 3)
	out = s.Leaves(3, "z", 0, LeavesProven, []Block{wrong}, nil)
	if got := dropped(out); !slices.Equal(got, []Block{wrong}) {
		t.Errorf("dropped %v", got)
	}
	if got := told(out, Suspect); len(got) != 1 || !s.peers["b"].suspect.suspected() || s.peers["b"].account.Bad != Grain {
		t.Errorf("told %v; %v", got, out)
	}
	for _, honest := range []unit.NodeID{"a", "z"} {
		if p := s.peers[honest]; p.suspect.incidents+p.doubts > 0 || len(p.refused) > 0 {
			t.Errorf("%s is suspected: %+v", honest, p)
		}
	}
	asked := asking(out)
	if all := slices.Concat(asked["a"], asked["z"]); !slices.Equal(all, []Block{wrong}) || len(asked["b"]) > 0 {
		t.Errorf("asked again: %v", asked)
	}
	if got := s.Counters().Duplicate; got != Grain {
		t.Errorf("%d bytes were in vain, want %d", got, Grain)
	}
	if a := s.actives.of[0]; s.actives.storing != 0 || s.actives.inFlight != Grain || a.received != 4 || a.free != 0 {
		t.Errorf("%d bytes are being stored, %d requested: %+v", s.actives.storing, s.actives.inFlight, a)
	}
	deliver(s, 0, "..a..")
	if s.Stored(4, 0, true, nil); !s.Complete() {
		t.Error("not complete")
	}
}

// A leaf may lie across grains, and grains hold parts of several.
func TestAttribution(t *testing.T) {
	const g = Grain
	for _, c := range []struct {
		name   string
		grains string // who sent each
		wrong  []Block
		again  string // grains that are fetched again
		guilty string
		shared string
	}{
		{name: "one leaf, one grain", grains: "abab", wrong: []Block{bytesOf(0, g, 2*g)}, again: "-x--", guilty: "b"},
		{name: "a few bytes", grains: "abab", wrong: []Block{bytesOf(0, 2*g+5, 2*g+6)}, again: "--x-", guilty: "a"},
		{name: "across grains of one", grains: "abba", wrong: []Block{bytesOf(0, g+100, 2*g+100)}, again: "-xx-", guilty: "b"},
		{name: "across grains of two", grains: "aabb", wrong: []Block{bytesOf(0, g+100, 2*g+100)}, again: "-xx-", shared: "ab"},
		{name: "across grains of two, one being guilty", grains: "aabb",
			wrong: []Block{bytesOf(0, g+100, 2*g+100), bytesOf(0, 2*g+100, 3*g+100)}, again: "-xxx", guilty: "b"},
		{name: "two liars", grains: "abca", wrong: []Block{bytesOf(0, g, 2*g), bytesOf(0, 2*g, 3*g)}, again: "-xx-", guilty: "bc"},
		{name: "two pairs", grains: "abcd", wrong: []Block{bytesOf(0, 1, g+1), bytesOf(0, 2*g+1, 3*g+1)}, again: "xxxx", shared: "abcd"},
		{name: "up to the border", grains: "aabb", wrong: []Block{bytesOf(0, g+1, 2*g)}, again: "-x--", guilty: "a"},
		{name: "proven before", grains: "a.ba", wrong: []Block{bytesOf(0, g+100, 2*g+100)}, again: "--x-", guilty: "b"},
	} {
		s := sentBy(0, 1, c.grains)
		a := s.actives.of[0]
		for i, sender := range c.grains {
			if sender == '.' {
				a.grains[i], a.free, a.received = here, a.free-1, a.received+1
			}
		}
		f := s.attributed(a, c.wrong)
		again, guilty, shared := "", "", ""
		for _, w := range f.grains {
			again += map[bool]string{false: "-", true: "x"}[w]
		}
		for _, k := range f.guilty {
			guilty += string(s.known[k.from].account.Node)
		}
		for _, at := range f.shared {
			shared += string(s.known[at].account.Node)
		}
		if again != c.again || guilty != c.guilty || shared != c.shared {
			t.Errorf("%s: again %s, guilty %q, shared %q; want %s, %q, %q", c.name, again, guilty, shared, c.again, c.guilty, c.shared)
		}
	}
}

// Of two who share a wrong leaf neither is blamed; one alone is asked for it.
func TestSharedLeaf(t *testing.T) {
	s := sentBy(0, 1, "aabb")
	s.Stored(2, 0, false, nil)
	out := s.Leaves(3, "a", 0, LeavesProven, []Block{bytesOf(0, 2*Grain-5, 2*Grain+5)}, nil)
	if len(told(out, Suspect)) > 0 || hungUp(out) {
		t.Errorf("blamed for what another may have done: %v", out)
	}
	asked := asking(out)
	if len(asked) != 1 || s.peers["a"].doubts == 0 || s.peers["b"].doubts == 0 {
		t.Errorf("asked %v; doubts %d and %d", asked, s.peers["a"].doubts, s.peers["b"].doubts)
	}
}

// Who gives leaves that do not prove themselves goes, and the next is asked.
func TestForgedLeaves(t *testing.T) {
	s := sentBy(0, 1, "ab", "y", "z")
	s.Stored(2, 0, false, nil)
	out := s.Leaves(3, "y", 0, LeavesForged, nil, nil)
	if !slices.Contains(out, Action(Hangup{Peer: "y", Reason: BadLeaves})) || !slices.Equal(informants(out), []unit.NodeID{"z"}) {
		t.Fatalf("decided %v", out)
	}
	if out := s.Leaves(3, "y", 0, LeavesProven, []Block{s.block(0, 0, 1)}, nil); len(out) > 0 {
		t.Errorf("whom nobody asks any more is heard: %v", out)
	}
}

// Refusal, silence and leaving have the next one asked, three in all; then all is
// thrown away and one sender asked alone.
func TestNobodyGivesLeaves(t *testing.T) {
	s := sentBy(0, 1, "ab", "w", "x", "y", "z")
	if got := informants(s.Stored(2, 0, false, nil)); !slices.Equal(got, []unit.NodeID{"w"}) {
		t.Fatalf("asked %v first", got)
	}
	if got := informants(s.Leaves(2, "w", 0, LeavesRefused, nil, nil)); !slices.Equal(got, []unit.NodeID{"x"}) {
		t.Fatalf("after a refusal %v", got)
	}
	early := unit.Time(2).Add(leavesTime - 1)
	if got := informants(s.Tick(early, nil)); len(got) > 0 {
		t.Fatalf("too early: %v", got)
	}
	if got := informants(s.Tick(early+1, nil)); !slices.Equal(got, []unit.NodeID{"y"}) {
		t.Fatalf("after silence %v", got)
	}
	out := s.PeerLeft(early+2, "y", nil)
	if len(informants(out)) > 0 || !slices.Contains(out, Action(Drop{Span: 0})) {
		t.Fatalf("after the third: %v", out)
	}
	if a, b := s.peers["a"].doubts, s.peers["b"].doubts; a == 0 || b == 0 {
		t.Errorf("doubts are %d and %d", a, b)
	}
}

// What waits for leaves is bounded; the rest does without.
func TestInquiriesAreBounded(t *testing.T) {
	s := sentBy(0, 3*maxInquiries, "ab")
	kept := 0
	for x := range int32(3 * maxInquiries) {
		deliver(s, x, "ab")
		kept += len(informants(s.Stored(2, x, false, nil)))
	}
	if kept != maxInquiries {
		t.Errorf("%d spans wait, want %d", kept, maxInquiries)
	}
}

// Wrong bytes that were requested after the answer are a repeat, also if the span
// had been begun before.
func TestLiarAgainInTheSameSpan(t *testing.T) {
	s := sentBy(0, 1, "ab")
	s.Stored(2, 0, false, nil)
	out := s.Leaves(3, "a", 0, LeavesProven, []Block{s.block(0, 1, 2)}, nil)
	if hungUp(out) {
		t.Fatalf("at once: %v", out)
	}
	s.PeerGot(4, "b", []uint32{0}, nil) // it says that it is right
	s.PeerLeft(5, "a", nil)
	s.Tick(6, nil)
	deliver(s, 0, ".b")
	out = s.Stored(7, 0, false, nil)
	if got := informants(out); !slices.Equal(got, []unit.NodeID{"b"}) {
		t.Fatalf("asked %v", got)
	}
	out = s.Leaves(8, "b", 0, LeavesRefused, nil, nil)
	if !slices.Contains(out, Action(Hangup{Peer: "b", Reason: BadData})) {
		t.Errorf("it stays: %v", out)
	}
}

// Wrong bytes that were requested before the answer are the same incident.
func TestOneIncidentByLeaves(t *testing.T) {
	s := sentBy(0, 3, "ab", "z")
	deliver(s, 1, "ab")
	deliver(s, 2, "ab")
	for x := range int32(3) {
		s.Stored(2, x, false, nil)
	}
	for x := range int32(3) {
		out := s.Leaves(3, "z", x, LeavesProven, []Block{s.block(x, 1, 2)}, nil)
		if got := told(out, Suspect); !slices.Equal(got, []uint32{uint32(x)}) || hungUp(out) {
			t.Fatalf("span %d: told %v; %v", x, got, out)
		}
		s.PeerGot(4, "b", []uint32{uint32(x)}, nil)
	}
	if got := s.peers["b"].suspect.incidents; got != 1 {
		t.Errorf("%d incidents", got)
	}
}

// Leaves are given of what is here, within bounds.
func TestLeavesThatPeersWant(t *testing.T) {
	s := serving(3)
	if at, ok := s.PeerWantsLeaves(0, "p", []LeafPlace{{7, 5}, {8, 1}}, Grain); !ok || at != (LeafPlace{8, 1}) {
		t.Errorf("got %v, %v", at, ok)
	}
	s.lose(1)
	for _, places := range [][]LeafPlace{nil, {{8, 1}}, {{1, -1}}, {{9, 3}}} {
		if at, ok := s.PeerWantsLeaves(0, "p", places, Grain); ok {
			t.Errorf("%v: gives %v", places, at)
		}
	}
	given := 0
	for range 2 * maxLeafBytes / minLeafBytes {
		if _, ok := s.PeerWantsLeaves(1, "p", []LeafPlace{{0, 0}}, Grain); ok {
			given++
		}
	}
	if most := maxLeafBytes / minLeafBytes; given >= most || given < most-2 {
		t.Errorf("%d pieces were hashed for one peer", given)
	}
	if _, ok := s.PeerWantsLeaves(unit.Time(checkEvery)+unit.Time(time.Second), "p", []LeafPlace{{0, 0}}, 16<<20); !ok {
		t.Error("refused later")
	}
}
