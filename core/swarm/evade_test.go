package swarm

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// A peer next to us that says it has everything, and refuses each request, does
// not keep us from those farther away who give it.
func TestPeerThatRefusesWhatItHas(t *testing.T) {
	for _, initial := range []bool{false, true} {
		s := New(Config{
			Self: "self", Location: "dc/r", Lengths: []int32{Grain, Grain}, Have: artifact.NewBitset(2),
			Download: unlimited(),
		})
		var out []Action
		for _, p := range []PeerInfo{{Node: "near", Location: "dc/r", Initial: initial}, {Node: "zfar", Location: "dc/q"}} {
			s.PeerJoined(0, p)
			s.peers[p.Node].inside = p.Node == "near"
			out = s.PeerHas(0, p.Node, artifact.All(2), out)
		}
		asked := 0
		for now := unit.Time(0); now < unit.Time(0).Add(40*time.Second) && asked < 2; now = now.Add(idleScan) {
			out = s.Tick(now, out)
			for len(requests(out, "near")) > 0 { // as often as it is asked
				var more []Action
				for _, x := range requests(out, "near") {
					more = s.Refused(now, "near", s.block(x, 0, 1), 20*time.Millisecond, more)
				}
				asked += len(requests(out, "zfar"))
				out = more
			}
			asked += len(requests(out, "zfar"))
			out = nil
		}
		if asked < 2 {
			t.Errorf("initial %v: %d of 2 spans were asked of the honest peer", initial, asked)
		}
	}
}
