package swarm

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// owing is a node with n spans in a rack, in which all of them are. Outside are a
// relay, which has span 0, and p, who wants it and whom the relay is in a group with.
func owing(n int) *Swarm {
	s := newTest("self", "r", n)
	s.Replace(0, artifact.All(n), nil)
	s.PeerJoined(0, PeerInfo{Node: "relay", Location: "q"})
	s.PeerJoined(0, PeerInfo{Node: "p", Location: "p"})
	s.PeerGot(0, "relay", []uint32{0}, nil)
	return s
}

// sends reports whether the node sends a span to a peer that asks for it.
func (s *Swarm) sends(now unit.Time, peer unit.NodeID, x int32) bool {
	_, ok := s.PeerWants(now, peer, s.block(x, 0, 1), nil)[0].(Upload)
	return ok
}

// Others wait for what only our location has to get out, and no longer than that
// something of it does.
func TestOwingHoldsBackWhileSomethingGetsOut(t *testing.T) {
	for name, test := range map[string]struct {
		outside func(s *Swarm, now unit.Time, nth uint32) // what is done each second
		holds   bool                                      // after a minute
	}{
		"nobody wants it":             {func(*Swarm, unit.Time, uint32) {}, false},
		"the relay gets it":           {func(s *Swarm, now unit.Time, nth uint32) { s.PeerGot(now, "relay", []uint32{nth}, nil) }, true},
		"the relay is given it":       {func(s *Swarm, now unit.Time, nth uint32) { s.sends(now, "relay", int32(nth)) }, true},
		"the relay asks for one part": {func(s *Swarm, now unit.Time, _ uint32) { s.sends(now, "relay", 1) }, false},
		"the relay gets it, and not": {func(s *Swarm, now unit.Time, _ uint32) {
			s.PeerGot(now, "relay", []uint32{1}, nil)
			s.PeerLost(now, "relay", []uint32{1}, nil)
		}, false},
		"the relay gets one after the other, and takes each back": {func(s *Swarm, now unit.Time, nth uint32) {
			s.PeerGot(now, "relay", []uint32{nth}, nil)
			s.PeerLost(now.Add(time.Millisecond), "relay", []uint32{nth}, nil)
		}, false},
		"the relay STARTs and STOPs": {func(s *Swarm, now unit.Time, nth uint32) {
			s.PeerStarted(now, "relay", []uint32{nth}, nil)
			s.PeerStopped(now.Add(time.Millisecond), "relay", []uint32{nth}, nil)
		}, false},
	} {
		s := owing(100)
		if s.sends(0, "p", 0) {
			t.Fatalf("%s: p is served at once, and the relay has it", name)
		}
		var now unit.Time
		for nth := range uint32(90) {
			now = seconds(float64(nth + 1))
			test.outside(s, now, nth+1)
			s.sends(now, "p", 0)
		}
		if got := !s.sends(now, "p", 0); got != test.holds {
			t.Errorf("%s: after %v p is held back: %v", name, time.Duration(now), got)
		}
	}
}

// A relay STARTs all that is owed now and then, asks for nothing and says STOP. While its
// START is not young nobody waits for it, but that is no progress: it does not have others
// wait for ten seconds more.
func TestOwingWhatIsOnlyStarted(t *testing.T) {
	s := owing(2)
	for at := 1.; at < 60; at++ {
		switch int(at) % 12 {
		case 6:
			s.PeerStarted(seconds(at), "relay", []uint32{1}, nil)
		case 9:
			s.PeerStopped(seconds(at), "relay", []uint32{1}, nil)
		}
		if served := s.sends(seconds(at+0.5), "p", 0); !served && at > stuckTime.Seconds() {
			t.Errorf("after %g s p is held back, and nothing got out", at)
		}
	}
}

// When something is owed again, after a time in which nothing was, others wait again.
func TestOwingAgain(t *testing.T) {
	s := owing(2)
	s.PeerGot(0, "relay", []uint32{1}, nil)
	if !s.sends(seconds(100), "p", 0) {
		t.Fatal("p is held back, and nothing is owed")
	}
	s.PeerLost(seconds(100), "relay", []uint32{1}, nil)
	s.PeerStopped(seconds(100), "p", []uint32{0}, nil)
	if s.sends(seconds(101), "p", 0) {
		t.Error("p is served, and the location owes a span again")
	}
}

// A seeder whose neighbours bring things out offers nothing to who is outside: it would
// claim the uplink, and they need it. Without such neighbours, or when it is none, it does.
func TestOffersOutside(t *testing.T) {
	for name, test := range map[string]struct {
		initial, stealing bool
		neighbour         *PeerInfo
		offers            bool
	}{
		"a seeder alone in its rack":           {true, true, nil, true},
		"a neighbour is in the outer group":    {true, true, &PeerInfo{Node: "n", Location: "r", Top: 0}, false},
		"a neighbour is not":                   {true, true, &PeerInfo{Node: "n", Location: "r", Top: 1}, true},
		"a neighbour, and nobody spreads":      {true, false, &PeerInfo{Node: "n", Location: "r", Top: 0}, true},
		"a neighbour of one that is no seeder": {false, true, &PeerInfo{Node: "n", Location: "r", Top: 0}, true},
	} {
		s := newTest("self", "r", 4)
		s.cfg.Initial, s.cfg.Strategy.Stealing = test.initial, test.stealing
		s.Replace(0, artifact.All(4), nil)
		s.PeerJoined(0, PeerInfo{Node: "p", Location: "p"})
		if test.neighbour != nil {
			s.PeerJoined(0, *test.neighbour)
		}
		if offers := s.Offers()[1]; offers != test.offers {
			t.Errorf("%s: it offers something outside is %v", name, offers)
		}
	}
}

// A relay in the next rack passes on to p what it gets. It is given first what only our
// location has, as long as p follows: when it falls behind, p has what it lacks from us, but
// not what it has. Many spans in a short time are none behind.
func TestRelaysThatFallBehind(t *testing.T) {
	const spans = 640
	for name, test := range map[string]struct {
		got, passed int // by the relay, and of that by p, in each of
		times       int
		every       time.Duration
		lacks       bool // whether p has what the relay lacks from us
	}{
		"p follows":             {got: 1, passed: 1, times: 60, every: time.Second},
		"it is a little behind": {got: 20, passed: 15, times: 1, every: 20 * time.Second},
		"it falls behind":       {got: 5, passed: 4, times: 12, every: 5 * time.Second, lacks: true},
		"it is far behind":      {got: 5, passed: 1, times: 12, every: 5 * time.Second, lacks: true},
		"all within a second":   {got: 10, passed: 4, times: 4, every: 250 * time.Millisecond},
	} {
		s := newTest("self", "ams/b", spans)
		s.Replace(0, artifact.All(spans), nil)
		s.PeerJoined(0, PeerInfo{Node: "relay", Location: "ams/c", Top: 0})
		s.PeerJoined(0, PeerInfo{Node: "p", Location: "esy/e", Top: 0})
		var now unit.Time
		has, follows := uint32(0), uint32(0)
		for range test.times {
			now = now.Add(test.every)
			for range test.got {
				s.PeerGot(now, "relay", []uint32{has}, nil)
				has++
			}
			for range test.passed {
				s.PeerGot(now, "p", []uint32{follows}, nil)
				follows++
			}
		}
		if got := s.sends(now, "p", spans-1); got != test.lacks {
			t.Errorf("%s: p is sent what the relay lacks: %v", name, got)
		}
		if s.sends(now, "p", int32(has)-1) && test.got != test.passed {
			t.Errorf("%s: p is sent what the relay has", name)
		}
	}
}
