package swarm

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// twoBlocks is a swarm that misses one span of two blocks, which all peers have.
func twoBlocks(peers ...unit.NodeID) *Swarm {
	s := New(Config{
		Self: "self", Location: "r", Lengths: []int32{2 * Grain}, Have: artifact.NewBitset(1),
		Download: unlimited(),
	})
	for _, id := range peers {
		s.PeerJoined(0, PeerInfo{Node: id, Location: "r", MaxRequest: Grain})
		s.peers[id].have.Set(0)
		s.peers[id].haveCount = 1
	}
	return s
}

// deliverFrom has the span's blocks arrive from the senders in turn, wrong.
// Nobody gives leaves.
func deliverFrom(s *Swarm, now unit.Time, senders ...unit.NodeID) []Action {
	s.Tick(now, nil)
	for i := range 2 {
		s.Received(now, senders[i%len(senders)], s.block(0, i, i+1), true, nil)
	}
	return refuseLeaves(s, now, s.Stored(now, 0, false, nil))
}

// Of several senders of a wrong span one is asked again at once, alone: there
// may be nobody else.
func TestWrongSpanOfSeveral(t *testing.T) {
	s := twoBlocks("a", "b")
	out := deliverFrom(s, 0, "a", "b")
	if a, b := len(requests(out, "a")), len(requests(out, "b")); a+b != 2 || a*b != 0 {
		t.Fatalf("%d blocks asked of a, %d of b, want both of one", a, b)
	}
}

// Whose wrong bytes are proven gives way to those who were suspected with it.
func TestProvenWrongSpan(t *testing.T) {
	s := twoBlocks("a", "b")
	asked := deliverFrom(s, 0, "a", "b")
	liar, good := unit.NodeID("a"), unit.NodeID("b")
	if len(requests(asked, "b")) > 0 {
		liar, good = good, liar
	}
	out := deliverFrom(s, 1, liar)
	if got := len(requests(out, good)); got != 2 {
		t.Fatalf("%d blocks asked of the other, want 2: %v", got, out)
	}
	if a, b := s.peers[liar].suspect.incidents, s.peers[good].suspect.incidents; a != 1 || b != 0 {
		t.Errorf("blame: %d for the liar, %d for the other", a, b)
	}
}

// What a peer sent that is gone already is not the fault of those who stay.
func TestWrongSpanOfOneWhoLeft(t *testing.T) {
	s := twoBlocks("a", "b")
	s.Tick(0, nil)
	s.Received(0, "a", s.block(0, 0, 1), true, nil)
	s.PeerLeft(0, "a", nil)
	s.Received(0, "b", s.block(0, 1, 2), true, nil)
	out := refuseLeaves(s, 0, s.Stored(0, 0, false, nil))
	if got := len(requests(out, "b")); got != 2 {
		t.Fatalf("%d blocks asked of the one who stays, want 2: %v", got, out)
	}
}

// Wrong bytes twice end the connection.
func TestWrongAgain(t *testing.T) {
	s := twoBlocks("a")
	deliverFrom(s, 0, "a")
	out := deliverFrom(s, unit.Time(0).Add(silentAfter), "a")
	for _, act := range out {
		if act == (Hangup{Peer: "a", Reason: BadData}) {
			return
		}
	}
	t.Fatalf("actions are %v, want a hangup", out)
}

// Wrong bytes are remembered of a peer that comes back.
func TestWrongAgainAfterReconnecting(t *testing.T) {
	s := twoBlocks("a")
	deliverFrom(s, 0, "a")
	s.PeerLeft(1, "a", nil)
	s.PeerJoined(1, PeerInfo{Node: "a", Location: "r"})
	s.PeerHas(1, "a", artifact.All(1), nil)
	if out := deliverFrom(s, 2, "a"); !slices.Contains(out, Action(Hangup{Peer: "a", Reason: BadData})) {
		t.Fatalf("a peer that sent wrong bytes before and after it reconnected is not given up: %v", out)
	}
}

// Those who sent a span together with a peer that leaves, before it could send
// it alone, are asked at once.
func TestSuspectLeaves(t *testing.T) {
	s := twoBlocks("a", "b")
	asked := deliverFrom(s, 0, "a", "b")
	chosen, other := unit.NodeID("a"), unit.NodeID("b")
	if len(requests(asked, "b")) > 0 {
		chosen, other = other, chosen
	}
	if out := s.PeerLeft(1, chosen, nil); len(requests(out, other)) != 2 {
		t.Fatalf("asked of the one who stays: %v", out)
	}
}
