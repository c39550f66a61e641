package swarm

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// muted is a swarm of two spans, the second of which is here, and whose peer, from the
// same location, is muted and has come back. At the time 2 the other one is missing.
func muted(t *testing.T) *Swarm {
	t.Helper()
	s := New(Config{
		Self: "self", Location: "r", Lengths: []int32{2 * Grain, 2 * Grain}, Have: artifact.NewBitset(2),
		Download: unlimited(),
	})
	s.gain(1)
	info := PeerInfo{Node: "liar", Location: "r", MaxRequest: Grain}
	s.PeerJoined(0, info)
	s.PeerHas(0, "liar", artifact.All(2), nil)
	deliverFrom(s, 0, "liar")
	s.PeerGot(1, "liar", []uint32{0}, nil)
	if out := deliverFrom(s, 2, "liar"); !slices.Contains(out, Action(Hangup{Peer: "liar", Reason: BadData})) {
		t.Fatalf("it is not given up: %v", out)
	}
	s.PeerLeft(2, "liar", nil)
	s.PeerJoined(2, info)
	return s
}

// Whatever a muted peer says it is asked for nothing, and keeps nobody from anything;
// what it asks for it is given.
func TestMutedPeer(t *testing.T) {
	s := muted(t)
	var out []Action
	out = s.PeerHas(2, "liar", artifact.All(2), out)
	out = s.PeerGot(2, "liar", []uint32{0, 1}, out)
	out = s.PeerLost(2, "liar", []uint32{0}, out)
	out = s.PeerStarted(2, "liar", []uint32{0, 1}, out)
	out = s.PeerStopped(2, "liar", []uint32{1}, out)
	out = s.PeerSuspects(2, "liar", []uint32{1}, out)
	out = s.Tick(3, out)
	if len(out) > 0 {
		t.Errorf("it is heeded: %v", out)
	}
	if p := s.peers["liar"]; p.haveCount > 0 || s.starts.spans.Has(0) || s.Offers()[0] {
		t.Errorf("it counts for something: %+v", p)
	}
	if _, unserved := s.Missing(); unserved != 1 {
		t.Errorf("%d spans are with nobody, want 1", unserved)
	}
	want := s.block(1, 0, 1)
	if out := s.PeerWants(3, "liar", want, nil); !slices.Equal(out, []Action{Upload{Peer: "liar", Block: want}}) {
		t.Errorf("what it asks for is answered with %v", out)
	}
}

// A muted peer has no share in the division: what it fetches is of use to nobody.
func TestMutedPeerOwnsNothing(t *testing.T) {
	s := muted(t)
	fellow := PeerInfo{Node: "liar", Location: "r"}
	s.Moved(2, "r", []PeerInfo{fellow}, []PeerInfo{fellow}, nil)
	s.redivide()
	if slices.Contains(s.division.own, false) {
		t.Error("a share is left to it")
	}
}

// After a while its connection ends once more, and it is heard again.
func TestMutedPeerIsPardoned(t *testing.T) {
	s := muted(t)
	end := unit.Time(2).Add(MuteTime)
	if out := s.Tick(end-1, nil); hungUp(out) {
		t.Fatalf("too early: %v", out)
	}
	if out := s.Tick(end, nil); !slices.Contains(out, Action(Hangup{Peer: "liar", Reason: Pardoned})) {
		t.Fatalf("it is not pardoned: %v", out)
	}
	s.PeerLeft(end, "liar", nil)
	s.PeerJoined(end, PeerInfo{Node: "liar", Location: "r", MaxRequest: Grain})
	if out := s.PeerHas(end, "liar", artifact.All(2), nil); len(requests(out, "liar")) == 0 {
		t.Fatalf("it is not asked: %v", out)
	}
}

// One that stays away until then is heard when it connects.
func TestMutedPeerComesBackLate(t *testing.T) {
	s := muted(t)
	s.PeerLeft(3, "liar", nil)
	end := unit.Time(2).Add(MuteTime)
	s.PeerJoined(end, PeerInfo{Node: "liar", Location: "r", MaxRequest: Grain})
	if out := s.PeerHas(end, "liar", artifact.All(2), nil); len(requests(out, "liar")) == 0 {
		t.Errorf("it is not asked: %v", out)
	}
}
