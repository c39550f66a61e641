package swarm

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// A peer next to us begins a span and does not go on with it. Who is farther away
// finishes it, and so does one who would not share a span with a doubted peer.
func TestSpanThatItsFirstPeerGivesNoMore(t *testing.T) {
	rest := []Block{{Span: 0, Begin: Grain, Length: Grain}}
	for name, stops := range map[string]func(s *Swarm) []Action{
		"it has it no more": func(s *Swarm) []Action {
			out := s.PeerLost(1, "near", []uint32{0}, nil)
			return s.Refused(1, "near", rest[0], 0, out)
		},
		"it refuses": func(s *Swarm) []Action {
			return s.Tick(seconds(1), s.Refused(1, "near", rest[0], seconds(60).Sub(0), nil))
		},
		"it came back with nothing, doubted": func(s *Swarm) []Action {
			s.PeerLost(1, "zfar", []uint32{0}, nil)
			s.peers["near"].doubts = maxDoubts
			s.PeerLeft(1, "near", nil)
			s.PeerJoined(1, PeerInfo{Node: "near", Location: "dc/r"})
			return s.PeerGot(1, "zfar", []uint32{0}, nil)
		},
	} {
		s := New(Config{
			Self: "self", Location: "dc/r", Lengths: []int32{2 * Grain}, Have: artifact.NewBitset(1),
			Download: unlimited(),
		})
		for _, p := range []PeerInfo{{Node: "near", Location: "dc/r", MaxRequest: Grain}, {Node: "zfar", Location: "dc/q"}} {
			s.PeerJoined(0, p)
			s.PeerHas(0, p.Node, artifact.All(1), nil)
		}
		s.Received(0, "near", s.block(0, 0, 1), true, nil)
		if got := asking(stops(s))["zfar"]; !slices.Equal(got, rest) {
			t.Errorf("%s: zfar is asked for %v, want %v", name, got, rest)
		}
	}
}
