package swarm

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// TestCrossedWhereAPeerStood: what was moved while a peer stood in our location has
// crossed no uplink, also after the peer is met somewhere else.
func TestCrossedWhereAPeerStood(t *testing.T) {
	s := New(Config{Self: "self", Location: "dc/r", Lengths: []int32{Grain, Grain}, Have: artifact.NewBitset(2), Download: unlimited()})
	crossed := func() []crossing {
		all := make([]crossing, 3)
		s.Crossed(func(uplinks int, received, sent unit.Bytes) {
			all[uplinks].received += received
			all[uplinks].sent += sent
		})
		return all
	}
	s.PeerJoined(0, PeerInfo{Node: "p", Location: "dc/r"})
	s.PeerHas(0, "p", artifact.All(2), nil)
	s.Received(1, "p", s.block(0, 0, 1), true, nil)
	s.Sent("p", 7)
	near := crossing{received: Grain, sent: 7}
	if got, want := crossed(), []crossing{near, {}, {}}; !slices.Equal(got, want) {
		t.Errorf("beside us: %+v, want %+v", got, want)
	}
	s.PeerLeft(2, "p", nil)
	s.PeerJoined(2, PeerInfo{Node: "p", Location: "dc/q"})
	s.Sent("p", 5)
	if got, want := crossed(), []crossing{near, {sent: 5}, {}}; !slices.Equal(got, want) {
		t.Errorf("elsewhere: %+v, want %+v", got, want)
	}
}
