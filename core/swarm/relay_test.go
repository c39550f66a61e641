package swarm

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// How long a backlog takes follows from what was passed on while there was one.
func TestRelay(t *testing.T) {
	at := func(d time.Duration) unit.Time { return unit.Time(0).Add(d) }
	var r relay
	if got := r.wait(at(time.Hour)); got != 0 {
		t.Errorf("with nothing to pass on: %v", got)
	}
	r.add(at(10*time.Second), 8<<20)
	if got := r.wait(at(13 * time.Second)); got != 3*time.Second {
		t.Errorf("while nothing is known of its rate: %v, want the 3 s that it took", got)
	}
	r.passed(at(12*time.Second), 2<<20)
	if got := r.wait(at(12 * time.Second)); got != 6*time.Second {
		t.Errorf("with 6 MiB at 1 MiB/s: %v, want 6 s", got)
	}
	r.add(at(12*time.Second), -(6 << 20)) // given again by ourselves
	if got := r.wait(at(20 * time.Second)); got != 0 {
		t.Errorf("with nothing left: %v", got)
	}
}

// A fast relay takes seconds for a span that is long. While it is given the blocks of
// one, what nobody was given yet is kept from a slow relay all the same.
func TestSlowRelayWaitsWhileALongSpanIsGiven(t *testing.T) {
	const spans, grains = 4, 100
	lengths := make([]int32, spans)
	for i := range lengths {
		lengths[i] = grains * Grain
	}
	s := New(Config{
		Self: "self", Location: "r", Initial: true, Lengths: lengths, Have: artifact.All(spans), Download: unlimited(),
	})
	for _, id := range []unit.NodeID{"fast", "slow"} {
		s.PeerJoined(0, PeerInfo{Node: id, Location: "r"})
	}
	gives := func(at float64, to unit.NodeID, x int32, block int) bool {
		_, ok := s.PeerWants(seconds(at), to, s.block(x, block, block+1), nil)[0].(Upload)
		return ok
	}
	if !gives(0, "slow", 0, 0) || !gives(2, "fast", 1, 0) {
		t.Fatal("they are given nothing")
	}
	s.PeerGot(seconds(1), "slow", []uint32{0}, nil) // and passes it on to nobody
	if !gives(3, "fast", 1, 1) || gives(3.4, "slow", 2, 0) {
		t.Error("the slow relay is given another span while the fast one takes what there is")
	}
	if !gives(3.6, "slow", 2, 0) {
		t.Error("the slow relay is given nothing when the fast one takes nothing")
	}
}
