package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// A peer that sends wrong bytes only in spans that others have a part in, which
// would prove nothing, costs little.
func TestWrongBytesInSharedSpansOnly(t *testing.T) {
	const spans, length = 60, 16 << 20
	lengths := make([]int32, spans)
	for i := range lengths {
		lengths[i] = length
	}
	s := New(Config{
		Self: "self", Location: "r", Lengths: lengths, Have: artifact.NewBitset(spans),
		Download: unlimited(),
	})
	var todo []Action
	for _, id := range []unit.NodeID{"a", "b", "z"} {
		s.PeerJoined(0, PeerInfo{Node: id, Location: "r"})
		todo = s.PeerHas(0, id, artifact.All(spans), todo)
	}
	now, wrong := unit.Time(0), 0
	for ; !s.Complete() && now < unit.Time(0).Add(30*time.Minute); now = now.Add(10 * time.Millisecond) {
		var next []Action
		for _, act := range todo {
			switch act := act.(type) {
			case Request:
				next = s.Received(now, act.Peer, act.Block, true, next)
			case Store:
				senders := s.actives.of[act.Span].senders()
				good := !slices.Contains(senders, s.seats["z"]) || len(senders) == 1
				if !good {
					wrong++
				}
				next = s.Stored(now, act.Span, good, next)
			case Hangup:
				t.Fatalf("an honest peer, or one that proved nothing, is given up: %+v", act)
			}
		}
		todo = s.Tick(now, next)
	}
	if !s.Complete() || wrong > spans/5 {
		t.Errorf("complete: %v, %d of %d spans were fetched in vain", s.Complete(), wrong, spans)
	}
}
