package swarm

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// fetching is a swarm of one peer that has n spans of a grain, all requested.
func fetching(n int) *Swarm {
	lengths := make([]int32, n)
	for i := range lengths {
		lengths[i] = Grain
	}
	s := New(Config{
		Self: "self", Location: "r", Lengths: lengths, Have: artifact.NewBitset(n),
		Download: unlimited(),
	})
	s.PeerJoined(0, PeerInfo{Node: "p", Location: "r"})
	s.PeerHas(0, "p", artifact.All(n), nil)
	return s
}

// wrong has a span arrive from p and fail.
func wrong(s *Swarm, now unit.Time, x int32) []Action {
	s.Received(now, "p", s.block(x, 0, 1), true, nil)
	return s.Stored(now, x, false, nil)
}

func hungUp(out []Action) bool {
	return slices.ContainsFunc(out, func(a Action) bool { _, ok := a.(Hangup); return ok })
}

func told(out []Action, what Announcement) (spans []uint32) {
	for _, a := range out {
		if n, ok := a.(Announce); ok && n.What == what {
			spans = append(spans, n.Spans...)
		}
	}
	return spans
}

// Everything that was requested before the peer had answered is one incident.
func TestWrongSpansRequestedBeforeTheAnswer(t *testing.T) {
	s := fetching(4)
	out := wrong(s, 1, 0)
	if got := told(out, Suspect); !slices.Equal(got, []uint32{0}) || hungUp(out) {
		t.Fatalf("told %v; %v", got, out)
	}
	if got := requests(out, "p"); len(got) != 0 {
		t.Fatalf("asked for %v before it has answered", got)
	}
	s.PeerGot(2, "p", []uint32{0}, nil)
	for now, x := range []int32{1, 2, 3} {
		out := wrong(s, unit.Time(3+now), x)
		if got := told(out, Suspect); !slices.Equal(got, []uint32{uint32(x)}) || hungUp(out) {
			t.Fatalf("span %d: told %v; %v", x, got, out)
		}
		s.PeerLost(unit.Time(3+now), "p", []uint32{uint32(x)}, nil)
	}
}

// Who says that its bytes are right is asked again, and given up if they are
// wrong again.
func TestDenial(t *testing.T) {
	s := fetching(1)
	wrong(s, 1, 0)
	out := s.PeerGot(2, "p", []uint32{0}, nil)
	if got := requests(out, "p"); len(got) != 1 {
		t.Fatalf("after its answer it is asked for %v", got)
	}
	if out := wrong(s, 3, 0); !hungUp(out) {
		t.Fatalf("the liar stays: %v", out)
	}
}

// Who withdraws what is wrong each time is believed eight times.
func TestAdmissions(t *testing.T) {
	s := fetching(1)
	for i := range maxIncidents + 1 {
		now := seconds(float64(i) * 2 * silentAfter.Seconds())
		s.Tick(now, nil)
		out := wrong(s, now+1, 0)
		if last := i == maxIncidents; hungUp(out) != last {
			t.Fatalf("wrong for time %d: %v", i+1, out)
		}
		s.PeerLost(now+2, "p", []uint32{0}, nil)
		s.PeerGot(now+3, "p", []uint32{0}, nil)
	}
}

// Silence is an answer, or one that cannot answer would never be asked again.
func TestSilenceIsAnAnswer(t *testing.T) {
	s := fetching(2)
	wrong(s, 1, 0)
	s.Received(2, "p", s.block(1, 0, 1), true, nil)
	s.Stored(2, 1, true, nil)
	if got := requests(s.Tick(seconds(answerTime.Seconds()-1), nil), "p"); len(got) != 0 {
		t.Fatalf("asked for %v before it has answered", got)
	}
	if got := requests(s.Tick(seconds(silentAfter.Seconds()+1), nil), "p"); len(got) != 1 {
		t.Errorf("asked for %v, want the span that was wrong", got)
	}
}

// serving is a swarm that has n spans and two peers.
func serving(n int) *Swarm {
	s := New(Config{
		Self: "self", Location: "r", Lengths: slices.Repeat([]int32{Grain}, n), Have: artifact.All(n),
		Download: unlimited(),
	})
	s.PeerJoined(0, PeerInfo{Node: "p", Location: "r"})
	s.PeerJoined(0, PeerInfo{Node: "q", Location: "r"})
	return s
}

// A span that is suspected is hashed once, however many suspect it, and all of
// them are told when it is right.
func TestSuspectedSpanIsRight(t *testing.T) {
	s := serving(2)
	if out := s.PeerSuspects(0, "p", []uint32{1}, nil); !slices.Contains(out, Action(Verify{Span: 1})) {
		t.Fatalf("suspected: %v", out)
	}
	if out := s.PeerSuspects(0, "q", []uint32{1}, nil); len(out) != 0 {
		t.Fatalf("suspected again: %v", out)
	}
	out := s.Verified(1, 1, true, nil)
	if got := told(out, Have); !slices.Equal(got, []uint32{1, 1}) {
		t.Errorf("told of %v: %v", got, out)
	}
}

// One that is wrong is withdrawn, and nothing is served any more that was not
// hashed again.
func TestSuspectedSpanIsWrong(t *testing.T) {
	s := serving(3)
	s.PeerSuspects(0, "p", []uint32{1}, nil)
	out := s.Flush(1, s.Verified(1, 1, false, nil))
	if got := told(out, DontHave); !slices.Equal(got, []uint32{1, 1}) {
		t.Fatalf("withdrawn: %v; %v", got, out)
	}
	b := s.block(2, 0, 1)
	out = s.PeerWants(2, "p", b, nil)
	if want := []Action{Reject{Peer: "p", Block: b, Reason: Busy, RetryAfter: recheck}, Verify{Span: 2}}; !slices.Equal(out, want) {
		t.Fatalf("asked for another span: %v, want %v", out, want)
	}
	s.Verified(3, 2, true, nil)
	if out := s.PeerWants(4, "p", b, nil); !slices.Equal(out, []Action{Upload{Peer: "p", Block: b}}) {
		t.Errorf("asked for it when it is known to be right: %v", out)
	}
}

// A peer cannot have us hash without end.
func TestSuspicionsAreBounded(t *testing.T) {
	s := serving(100)
	hashed := 0
	for round := range 50 {
		for x := range uint32(100) {
			todo := s.PeerSuspects(unit.Time(round), "p", []uint32{x}, nil)
			for len(todo) > 0 {
				v, ok := todo[0].(Verify)
				todo = todo[1:]
				if ok {
					hashed++
					todo = s.Verified(unit.Time(round), v.Span, true, todo)
				}
			}
		}
	}
	if hashed != checksPerPeer {
		t.Errorf("%d spans were hashed, want %d", hashed, checksPerPeer)
	}
	later := unit.Time(checkEvery + time.Second)
	if out := s.PeerSuspects(later, "p", []uint32{0}, nil); !slices.Contains(out, Action(Verify{Span: 0})) {
		t.Errorf("later: %v", out)
	}
}
