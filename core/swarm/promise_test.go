package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// besideLiar is a node that lacks n spans, which far has, beside a liar in its rack.
// Its name is one that has the liar win each tie about span 0.
func besideLiar(n int) *Swarm {
	self := unit.NodeID("self")
	for mix(nodeHash("liar"), 0) < mix(nodeHash(self), 0) {
		self += "f"
	}
	s := newTest(self, "r", n)
	s.PeerJoined(0, PeerInfo{Node: "liar", Location: "r"})
	s.PeerJoined(0, PeerInfo{Node: "far", Location: "other"})
	return s
}

// stored has far answer each request after a while, and the liar say what it wants
// to every 10 ms, and returns how many spans came until then.
func stored(s *Swarm, until unit.Time, liar func(now unit.Time, out []Action) []Action) (got int) {
	const roundTrip = 100 * time.Millisecond
	due := map[Block]unit.Time{}
	s.PeerStarted(0, "liar", []uint32{0}, nil)
	out := s.PeerHas(0, "far", artifact.All(s.Spans()), nil)
	for now := unit.Time(0); now < until; now = now.Add(10 * time.Millisecond) {
		out = s.Tick(now, liar(now, out))
		for b, at := range due {
			if now >= at {
				delete(due, b)
				out = s.Received(now, "far", b, true, out)
			}
		}
		for len(out) > 0 {
			todo := out
			out = nil
			for _, a := range todo {
				switch a := a.(type) {
				case Request:
					due[a.Block] = now.Add(roundTrip)
				case Cancel:
					delete(due, a.Block)
				case Store:
					got++
					out = s.Stored(now, a.Span, true, out)
				}
			}
		}
	}
	return got
}

// A liar that renews its START of what its neighbours want holds them back for a
// while, and not for ever, however it does so.
func TestLiarsStartsAreBelievedForAWhile(t *testing.T) {
	one := []uint32{0}
	for name, renew := range map[string]func(s *Swarm, now unit.Time, out []Action) []Action{
		"START again": func(s *Swarm, now unit.Time, out []Action) []Action {
			return s.PeerStarted(now, "liar", one, out)
		},
		"STOP and START": func(s *Swarm, now unit.Time, out []Action) []Action {
			return s.PeerStarted(now, "liar", one, s.PeerStopped(now, "liar", one, out))
		},
		"a new connection": func(s *Swarm, now unit.Time, out []Action) []Action {
			out = s.PeerLeft(now, "liar", out)
			s.PeerJoined(now, PeerInfo{Node: "liar", Location: "r"})
			return s.PeerStarted(now, "liar", one, out)
		},
		"HAVE, which is taken back": func(s *Swarm, now unit.Time, out []Action) []Action {
			s.peers["liar"].stalled = true // it owes much already
			out = s.PeerLost(now, "liar", one, s.PeerGot(now, "liar", one, out))
			return s.PeerStarted(now, "liar", one, out)
		},
		"bitfields": func(s *Swarm, now unit.Time, out []Action) []Action {
			s.peers["liar"].stalled = true
			out = s.PeerHas(now, "liar", artifact.NewBitset(1), s.PeerGot(now, "liar", one, out))
			return s.PeerStarted(now, "liar", one, out)
		},
	} {
		s, until := besideLiar(1), unit.Time(patience+time.Second)
		got := stored(s, until, func(now unit.Time, out []Action) []Action { return renew(s, now, out) })
		if got == 0 {
			t.Errorf("%s: nothing came in %v", name, time.Duration(until))
		}
	}
}

// Who STARTs everything holds back a part of it: the rest is fetched meanwhile.
func TestStartOfEverything(t *testing.T) {
	n := 2 * (maxInFlight + maxStoring) / Grain
	s := besideLiar(n)
	all := make([]uint32, n)
	for x := range all {
		all[x] = uint32(x)
	}
	s.PeerStarted(0, "liar", all, nil)
	if got := len(requests(s.PeerHas(0, "far", artifact.All(n), nil), "far")); got == 0 {
		t.Error("nothing is asked for")
	}
}

// What a peer STARTs may grow with what it has got: an honest one is heeded.
func TestStartsOfOneThatGetsMuch(t *testing.T) {
	n := 2 * (maxInFlight + maxStoring) / Grain
	s := besideLiar(n)
	var got, started []uint32
	for x := range n - 1 {
		if x%2 == 0 {
			got = append(got, uint32(x))
		} else {
			started = append(started, uint32(x))
		}
	}
	s.PeerGot(0, "liar", got, nil)
	s.PeerStarted(0, "liar", started, nil)
	for _, x := range started {
		if !s.heeds(0, s.peers["liar"], int32(x)) {
			t.Fatalf("the START of %d is not heeded, although %d spans are here", x, len(got))
		}
	}
}

// A peer whose source was gone for a moment is heeded as before when it STARTs the
// span again, and soon also when it had waited for long.
func TestHonestStopIsForgotten(t *testing.T) {
	for _, test := range []struct{ stood, paused float64 }{{0.1, 0.1}, {3, 3}, {startTTL.Seconds(), startTTL.Seconds()}, {600, 60}} {
		s := besideLiar(1)
		p := s.peers["liar"]
		s.PeerStarted(0, "liar", []uint32{0}, nil)
		s.PeerStopped(seconds(test.stood), "liar", []uint32{0}, nil)
		again := seconds(test.stood + test.paused)
		s.PeerStarted(again, "liar", []uint32{0}, nil)
		if late := again.Add(patience - time.Millisecond); !s.heeds(late, p, 0) {
			t.Errorf("after %+v the START is heeded for less than %v", test, patience)
		}
	}
}

// What is remembered of a peer that breaks many STARTs is bounded, it is heeded in
// none while there is so much, and is again when that is long ago.
func TestBrokenStartsAreBounded(t *testing.T) {
	s := besideLiar(4 * maxBroken)
	p := s.peers["liar"]
	for x := range uint32(4*maxBroken - 1) {
		s.PeerStarted(seconds(1), "liar", []uint32{x}, nil)
		s.PeerStopped(seconds(2), "liar", []uint32{x}, nil)
	}
	if n := len(p.promises.broken); n > maxBroken {
		t.Errorf("%d spans are remembered", n)
	}
	last := int32(4*maxBroken - 1)
	s.PeerStarted(seconds(2), "liar", []uint32{uint32(last)}, nil)
	if s.heeds(seconds(2), p, last) {
		t.Error("one more START is heeded")
	}
	s.PeerStopped(seconds(2), "liar", []uint32{uint32(last)}, nil)
	s.PeerStarted(seconds(20), "liar", []uint32{uint32(last)}, nil)
	if !s.heeds(seconds(20), p, last) || len(p.promises.broken) > 1 {
		t.Errorf("after 18 s it is not heeded, and %d spans are remembered", len(p.promises.broken))
	}
}

// A START that no longer counts does not keep a location that is short from a second
// copy.
func TestStaleStartAndSecondCopy(t *testing.T) {
	s := newTest("self", "r", 1)
	s.PeerJoined(0, PeerInfo{Node: "liar", Location: "r"})
	s.PeerStarted(0, "liar", []uint32{0}, nil)
	if !s.starts.count(seconds(1), 0) || s.starts.count(unit.Time(startTTL), 0) {
		t.Error("a START counts until it is too old")
	}
	if !slices.Equal(s.starts.spans, set{1}) {
		t.Error("a START is kept until it is taken back")
	}
}
