package swarm

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Of what is missing here, what no connected peer has is told apart.
func TestMissing(t *testing.T) {
	const spans = 130 // over two words and a bit
	lengths := make([]int32, spans)
	for i := range lengths {
		lengths[i] = Grain
	}
	have := artifact.NewBitset(spans)
	have.Set(0)
	have.Set(129)
	s := New(Config{Self: "me", Lengths: lengths, Have: have, Download: unlimited()})
	want := func(missing, unserved int) {
		t.Helper()
		if m, u := s.Missing(); m != missing || u != unserved {
			t.Errorf("%d spans are missing, %d of them nowhere; want %d and %d", m, u, missing, unserved)
		}
	}
	want(128, 128)
	for peer, has := range map[unit.NodeID][]int{"a": {0, 1, 64}, "b": {1, 128}} {
		s.PeerJoined(0, PeerInfo{Node: peer})
		b := artifact.NewBitset(spans)
		for _, x := range has {
			b.Set(x)
		}
		s.PeerHas(0, peer, b, nil)
	}
	want(128, 125)
	s.PeerLeft(0, "b", nil)
	want(128, 126)
}
