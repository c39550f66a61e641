package swarm

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
)

// A disk that falls behind the network has the requests stop, so that what waits
// for it in memory is bounded; with the first span that is stored they go on.
func TestRequestsWaitForTheDisk(t *testing.T) {
	const spans, length = 200, 1 << 20
	lengths := make([]int32, spans)
	for i := range lengths {
		lengths[i] = length
	}
	s := New(Config{
		Self: "a", Location: "r", Lengths: lengths, Have: artifact.NewBitset(spans),
		Download: unlimited(),
	})
	s.PeerJoined(0, PeerInfo{Node: "b", Location: "r"})
	todo := s.PeerHas(0, "b", artifact.All(spans), nil)
	var waiting []int32
	for len(todo) > 0 {
		a := todo[0]
		todo = todo[1:]
		switch a := a.(type) {
		case Request:
			todo = append(todo, s.Received(0, "b", a.Block, true, nil)...)
		case Store:
			waiting = append(waiting, a.Span)
		}
	}
	if held := len(waiting) * length; held < maxStoring || held > maxStoring+maxWindow {
		t.Fatalf("%d bytes wait for the disk", held)
	}
	out := s.Stored(0, waiting[0], true, nil)
	for _, x := range waiting[1:] {
		out = s.Stored(0, x, true, out)
	}
	if len(requests(out, "b")) == 0 {
		t.Error("nothing is requested when the disk has caught up")
	}
}

// A block that was cancelled too late arrives after its span was stored: it was
// received, and it is a duplicate.
func TestLateBlockIsADuplicate(t *testing.T) {
	s := newTest("a", "r", 1)
	s.PeerJoined(0, PeerInfo{Node: "b", Location: "r"})
	out := s.PeerHas(0, "b", artifact.All(1), nil)
	if len(requests(out, "b")) != 1 {
		t.Fatalf("decided %v", out)
	}
	s.Replace(0, artifact.All(1), nil) // it was found on the disk
	s.Received(seconds(1), "b", Block{Span: 0, Length: Grain}, false, nil)
	if c := s.Counters(); c.Received != Grain || c.Duplicate != Grain {
		t.Errorf("received %d, of which %d are duplicates", c.Received, c.Duplicate)
	}
}
