package swarm

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// A fellow that says over and over that it fetches a span, and never has it, keeps
// nobody from fetching it for longer than one START counts.
func TestRepeatedStartHoldsNothingBack(t *testing.T) {
	s := New(Config{
		Self: "self", Location: "r", Lengths: []int32{Grain}, Have: artifact.NewBitset(1),
		Download: unlimited(),
	})
	s.PeerJoined(0, PeerInfo{Node: "liar", Location: "r"})
	s.PeerStarted(0, "liar", []uint32{0}, nil)
	s.PeerJoined(0, PeerInfo{Node: "far", Location: "other"})
	asked := len(asking(s.PeerHas(0, "far", artifact.All(1), nil))["far"])
	if asked > 0 {
		t.Fatal("a START is not heeded")
	}
	for now := unit.Time(0); now < unit.Time(startTTL); now = now.Add(100 * time.Millisecond) {
		out := s.PeerStarted(now, "liar", []uint32{0}, nil)
		asked += len(asking(s.Tick(now, out))["far"])
	}
	if asked == 0 {
		t.Errorf("nothing is asked for in %v", startTTL)
	}
}

// Nor does a HAVE that is said again make it seem that copies spread.
func TestRepeatedHaveIsNoNews(t *testing.T) {
	s := New(Config{
		Self: "self", Location: "r", Initial: true, Lengths: []int32{Grain, Grain}, Have: artifact.All(2),
		Download: unlimited(),
	})
	s.PeerJoined(0, PeerInfo{Node: "liar", Location: "other"})
	s.PeerGot(seconds(1), "liar", []uint32{0}, nil)
	s.PeerGot(seconds(2), "liar", []uint32{0}, nil)
	if p := s.peers["liar"]; s.news != seconds(1) || p.gotAt != seconds(1) {
		t.Errorf("news at %v, the last HAVE at %v", s.news, p.gotAt)
	}
}
