package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

func seconds(n float64) unit.Time { return unit.Time(n * float64(time.Second)) }

func someOf(n int, set ...int) artifact.Bitset {
	b := artifact.NewBitset(n)
	for _, x := range set {
		b.Set(x)
	}
	return b
}

// requests lists the spans that were asked of a peer, in order.
func requests(out []Action, peer unit.NodeID) (xs []int32) {
	for _, a := range out {
		if r, ok := a.(Request); ok && r.Peer == peer {
			xs = append(xs, r.Block.Span)
		}
	}
	return xs
}

// What somebody in the group has STARTed is left to him as long as there is
// anything else; inside one location it is fetched all the same when nothing is
// left (thesis 3.7.2).
func TestStartedSpansComeLast(t *testing.T) {
	s := newTest("a", "r", 3)
	s.Moved(0, "r", []PeerInfo{{Node: "b", Location: "r"}, {Node: "c", Location: "r"}}, nil, nil)
	for _, id := range []unit.NodeID{"b", "c"} {
		s.PeerJoined(0, PeerInfo{Node: id, Location: "r"})
	}
	s.PeerStarted(0, "c", []uint32{0, 1}, nil)
	got := requests(s.PeerHas(0, "b", artifact.All(3), nil), "b")
	if len(got) != 3 || got[0] != 2 {
		t.Errorf("asked for %v, want 2 first, which nobody STARTed", got)
	}
}

// A representative does not carry over the uplink what another one of its
// location has STARTed, until that START is stale; nor what is inside already.
func TestOneCopyCrossesTheUplink(t *testing.T) {
	s := newTest("a", "ams/r1", 3)
	fellow, outside := PeerInfo{Node: "fellow", Location: "ams/r1"}, PeerInfo{Node: "out", Location: "fra/r1"}
	s.PeerJoined(0, fellow)
	s.PeerJoined(0, outside)
	s.Moved(0, unit.Root, []PeerInfo{fellow, outside}, nil, nil)
	s.PeerHas(0, "fellow", someOf(3, 0), nil)
	s.PeerStarted(0, "fellow", []uint32{1}, nil)
	out := s.PeerHas(0, "out", artifact.All(3), nil)
	if got := requests(out, "out"); len(got) != 1 || got[0] != 2 {
		t.Fatalf("asked outside for %v, want only 2", got)
	}
	if got := requests(s.Tick(seconds(1), nil), "out"); len(got) != 0 {
		t.Fatalf("after a second asked outside for %v", got)
	}
	if got := requests(s.Tick(seconds(patience.Seconds()+0.1), nil), "out"); len(got) != 1 || got[0] != 1 {
		t.Errorf("when the START is stale, asked outside for %v, want 1", got)
	}
}

// From an initial seeder nothing is asked that anybody in the group STARTed.
func TestInitialSeederIsSpared(t *testing.T) {
	s := newTest("a", "r", 4)
	s.PeerJoined(0, PeerInfo{Node: "origin", Location: "r", Initial: true})
	s.PeerJoined(0, PeerInfo{Node: "b", Location: "r"})
	s.Moved(0, "r", []PeerInfo{{Node: "origin", Location: "r", Initial: true}, {Node: "b", Location: "r"}}, nil, nil)
	s.PeerStarted(0, "b", []uint32{0, 1, 2}, nil)
	if got := requests(s.PeerHas(0, "origin", artifact.All(4), nil), "origin"); len(got) != 1 || got[0] != 3 {
		t.Errorf("asked the seeder for %v, want only 3", got)
	}
}

// An initial seeder gives each span once, so it is asked first for what no relay has
// got yet: it would send us away for the rest, and we would ask for nothing meanwhile.
// When nothing else is left the relay's spans are asked for as well.
func TestInitialSeederIsAskedForWhatNoRelayHas(t *testing.T) {
	for what, c := range map[string]struct {
		relay PeerInfo
		has   []int
		want  []int32 // in order of value
	}{
		"a relay beside us":          {PeerInfo{Node: "b", Location: "r"}, []int{0, 1, 2, 3, 4, 5, 6}, []int32{7}},
		"a relay that has all":       {PeerInfo{Node: "b", Location: "r"}, []int{0, 1, 2, 3, 4, 5, 6, 7}, []int32{0, 1, 2, 3, 4, 5, 6, 7}},
		"one farther than it":        {PeerInfo{Node: "b", Location: "q"}, []int{0, 1, 2, 3, 4, 5, 6}, []int32{0, 1, 2, 3, 4, 5, 6, 7}},
		"one who passes nothing on":  {PeerInfo{Node: "b", Location: "r", Foreign: true}, []int{0, 1, 2}, []int32{0, 1, 2, 3, 4, 5, 6, 7}},
		"another that gives it once": {PeerInfo{Node: "b", Location: "r", Initial: true}, []int{0, 1, 2}, []int32{0, 1, 2, 3, 4, 5, 6, 7}},
	} {
		s := newTest("a", "r", 8)
		origin := PeerInfo{Node: "origin", Location: "r", Initial: true}
		s.PeerJoined(0, c.relay)
		s.PeerJoined(0, origin)
		s.Moved(0, "r", []PeerInfo{origin, c.relay}, nil, nil)
		s.peers["b"].pausedUntil = unit.Never // it is origin that we look at
		s.PeerHas(0, "b", someOf(8, c.has...), nil)
		got := requests(s.PeerHas(0, "origin", artifact.All(8), nil), "origin")
		if first := got[0]; len(c.want) == 1 && first != c.want[0] {
			t.Errorf("%s: asked for %d first, want %d", what, first, c.want[0])
		}
		slices.Sort(got)
		if got = slices.Compact(got); len(c.want) > 1 && !slices.Equal(got, c.want) {
			t.Errorf("%s: asked for %v, want %v", what, got, c.want)
		}
	}
}

// Of two that STARTed one span at once exactly one yields, and says STOP.
func TestSimultaneousStarts(t *testing.T) {
	yielded := 0
	for _, self := range []unit.NodeID{"a", "b"} {
		other := unit.NodeID("b")
		if self == "b" {
			other = "a"
		}
		s := newTest(self, "r", 1)
		origin := PeerInfo{Node: "origin", Location: "q", Initial: true}
		s.PeerJoined(0, origin)
		s.PeerJoined(0, PeerInfo{Node: other, Location: "r"})
		s.Moved(0, "r", []PeerInfo{{Node: other, Location: "r"}}, nil, nil)
		s.PeerHas(0, "origin", artifact.All(1), nil)
		s.Flush(0, nil)
		out := s.PeerStarted(0, other, []uint32{0}, nil)
		out = s.Flush(0, out)
		for _, a := range out {
			if stop, ok := a.(Announce); ok && stop.What == Stop && stop.Peer == other {
				yielded++
			}
		}
	}
	if yielded != 1 {
		t.Errorf("%d of the two yielded", yielded)
	}
}

// Nobody yields to a fellow that fetches the same from inside: it would start the
// span again at once, and the other would yield in turn, for ever.
func TestFellowsDoNotYield(t *testing.T) {
	for _, self := range []unit.NodeID{"a", "b"} {
		other := unit.NodeID("b")
		if self == "b" {
			other = "a"
		}
		s := newTest(self, "r", 1)
		s.PeerJoined(0, PeerInfo{Node: "holder", Location: "r"})
		s.PeerJoined(0, PeerInfo{Node: other, Location: "r"})
		s.Moved(0, "r", []PeerInfo{{Node: "holder", Location: "r"}, {Node: other, Location: "r"}}, nil, nil)
		s.PeerHas(0, "holder", artifact.All(1), nil)
		if out := s.PeerStarted(0, other, []uint32{0}, nil); len(out) > 0 {
			t.Errorf("%s, when %s STARTs the same: %v", self, other, out)
		}
	}
}

// Whom an initial seeder sends away does not ask it for every other span in turn.
func TestSentAwayBacksOff(t *testing.T) {
	s := newTest("a", "r", 1000)
	s.PeerJoined(0, PeerInfo{Node: "origin", Location: "r", Initial: true})
	out, asked := s.PeerHas(0, "origin", artifact.All(1000), nil), 0
	for now := unit.Time(0); now < seconds(1); now = now.Add(time.Millisecond) {
		todo := out
		out = nil
		for _, a := range todo {
			if r, ok := a.(Request); ok {
				asked++
				out = s.Refused(now, "origin", r.Block, askAgain, out)
			}
		}
		out = s.Tick(now, out)
	}
	if asked < 8 || asked > 400 {
		t.Errorf("asked %d times in a second", asked)
	}
}

// A peer that owes blocks and is silent loses them to others, and its
// connection in the end.
func TestSilentPeerLosesItsBlocks(t *testing.T) {
	s := newTest("a", "r", 2)
	s.PeerJoined(0, PeerInfo{Node: "mute", Location: "r"})
	s.PeerHas(0, "mute", artifact.All(2), nil)
	s.PeerJoined(0, PeerInfo{Node: "other", Location: "r"})
	if got := requests(s.PeerHas(0, "other", artifact.All(2), nil), "other"); len(got) != 0 {
		t.Fatalf("asked twice for %v", got)
	}
	out := s.Tick(seconds(stallAfter.Seconds()), nil)
	if got := requests(out, "other"); len(got) != 2 {
		t.Errorf("after %v the other is asked for %v", stallAfter, got)
	}
	hungUp := false
	for _, a := range s.Tick(seconds(silentAfter.Seconds()), nil) {
		h, ok := a.(Hangup)
		hungUp = hungUp || ok && h == Hangup{Peer: "mute", Reason: Silent}
	}
	if !hungUp {
		t.Error("the silent peer is still there")
	}
}

// An initial seeder gives a span to one peer and sends others there, but not
// for ever, nor when that peer is gone.
func TestInitialSeederServesOnce(t *testing.T) {
	s := New(Config{Self: "s", Location: "r", Initial: true, Lengths: []int32{100}, Have: artifact.All(1), Download: unlimited()})
	for _, id := range []unit.NodeID{"a", "b"} {
		s.PeerJoined(0, PeerInfo{Node: id, Location: "r"})
	}
	b := Block{Span: 0, Length: 100}
	served := func(now unit.Time, peer unit.NodeID) bool {
		_, ok := s.PeerWants(now, peer, b, nil)[0].(Upload)
		return ok
	}
	if !served(0, "a") || !served(0, "a") || served(0, "b") { //nolint:staticcheck // asking twice is the point
		t.Fatal("the first peer is served, again if it asks, and the second sent away")
	}
	if !served(seconds(giveTime.Seconds()), "b") {
		t.Error("the second peer is sent away for ever")
	}
	s.PeerLeft(0, "a", nil)
	if !served(0, "b") {
		t.Error("the second peer is sent to one that is gone")
	}
}

func TestNonsenseIsAHangup(t *testing.T) {
	s := newTest("a", "r", 2)
	s.PeerJoined(0, PeerInfo{Node: "p", Location: "r"})
	for name, out := range map[string][]Action{
		"have of no span":    s.PeerGot(0, "p", []uint32{2}, nil),
		"start of no span":   s.PeerStarted(0, "p", []uint32{1 << 31}, nil),
		"stop of no span":    s.PeerStopped(0, "p", []uint32{7}, nil),
		"lost no span":       s.PeerLost(0, "p", []uint32{2}, nil),
		"request of no span": s.PeerWants(0, "p", Block{Span: 2, Length: 1}, nil),
		"request beyond":     s.PeerWants(0, "p", Block{Span: 1, Begin: Grain, Length: 1}, nil),
		"request of nothing": s.PeerWants(0, "p", Block{Span: 1}, nil),
	} {
		if len(out) != 1 || out[0] != (Hangup{Peer: "p", Reason: BadRequest}) {
			t.Errorf("%s: %v", name, out)
		}
	}
}
