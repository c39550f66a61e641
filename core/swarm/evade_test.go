package swarm

import (
	"slices"
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

// refuser is a node that lacks n spans. near, who is there as named, and the honest
// zfar say that they have all of them. Nothing is asked for yet.
func refuser(n int, near PeerInfo, far unit.Location) *Swarm {
	s := newTest("self", "dc/r", n)
	near.Node = "near"
	for _, p := range []PeerInfo{near, {Node: "zfar", Location: far}} {
		s.PeerJoined(0, p)
		s.peers[p.Node].inside = p.Node == "near"
		s.peers[p.Node].have, s.peers[p.Node].haveCount = setOf(artifact.All(n)), n
	}
	return s
}

// fetched plays until a time, in which zfar gives what it is asked for, and near
// refuses it, except for one request of so many. It returns how many spans are here.
func fetched(s *Swarm, until unit.Time, except int) int {
	asked, queue := 0, []Action{}
	for now := unit.Time(0); now < until; now = now.Add(50 * time.Millisecond) {
		queue = s.Tick(now, queue)
		for len(queue) > 0 {
			todo := queue
			queue = nil
			for _, a := range todo {
				switch a := a.(type) {
				case Request:
					if a.Peer == "near" {
						asked++
						if except == 0 || asked%except > 0 {
							queue = s.Refused(now, "near", a.Block, firstAway, queue)
							break
						}
					}
					queue = s.Received(now, a.Peer, a.Block, true, queue)
				case Store:
					queue = s.Stored(now, a.Span, true, queue)
				}
			}
		}
	}
	return s.Spans() - s.left
}

// Who says that it has everything, and refuses most requests, is given up as a
// whole, and not span by span: at one in a while that took for ever.
func TestRefuserOfMuchIsGivenUp(t *testing.T) {
	const n = 5000
	for name, test := range map[string]struct {
		near   PeerInfo
		except int
		within time.Duration
	}{
		"in our rack":              {PeerInfo{Location: "dc/r"}, 0, time.Second},
		"gives a little":           {PeerInfo{Location: "dc/r"}, 10, time.Second},
		"in our datacenter":        {PeerInfo{Location: "dc/q"}, 0, evadeTime + time.Second},
		"an initial seeder":        {PeerInfo{Location: "dc/r", Initial: true}, 0, maxGiveTime + time.Second},
		"a seeder, gives a little": {PeerInfo{Location: "dc/r", Initial: true}, 10, maxGiveTime + time.Second},
	} {
		s := refuser(n, test.near, "other")
		if got := fetched(s, unit.Time(test.within), test.except); got < n {
			t.Errorf("%s: %d of %d spans are here after %v", name, got, n, test.within)
		}
	}
}

// An initial seeder is waited for as long as copies may take to spread.
func TestSeederMayRefuseForAWhile(t *testing.T) {
	s := refuser(100, PeerInfo{Location: "dc/r", Initial: true}, "other")
	if got := fetched(s, unit.Time(maxGiveTime)-1, 0); got > 0 {
		t.Errorf("%d spans were fetched from farther away within %v", got, maxGiveTime)
	}
}

// Who gives again what it is asked for is trusted again.
func TestRefuserThatGivesIsTrusted(t *testing.T) {
	s := refuser(1, PeerInfo{Location: "dc/r"}, "other")
	p := s.peers["near"]
	for range 10 * mostRefused {
		p.will.refuse(0)
	}
	if !p.overloaded(1) {
		t.Fatal("a refuser holds others back")
	}
	for range mostRefused {
		p.receive(1, Block{Length: Grain}, debt{}, false)
	}
	if p.overloaded(2) {
		t.Error("what it gave since is not heeded")
	}
}

// While what only a location has is to leave it, the rest is asked of others; not of
// those who say that they have it, and refuse it.
func TestRefuserElsewhereHoldsNothingBack(t *testing.T) {
	s := newTest("self", "r", 3)
	s.PeerJoined(0, PeerInfo{Node: "liar", Location: "q"})
	s.PeerJoined(0, PeerInfo{Node: "owner", Location: "p"})
	s.PeerHas(0, "liar", someOf(3, 0, 1), nil)
	s.Refused(0, "liar", s.block(0, 0, 1), time.Hour, nil)
	s.Refused(0, "liar", s.block(1, 0, 1), time.Hour, nil)
	s.peers["owner"].pace.window = 3 * Grain
	now := unit.Time(evadeTime)
	if got := requests(s.PeerHas(now, "owner", artifact.All(3), nil), "owner"); len(got) != 3 {
		t.Errorf("the owner is asked for %v", slices.Sorted(slices.Values(got)))
	}
}
