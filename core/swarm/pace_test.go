package swarm

import (
	"fmt"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// line is a peer behind a line of some rate and latency, which sends what it was
// asked for one after the other.
type line struct {
	rate    unit.Rate
	latency time.Duration // from a request to the first byte of its data
	free    unit.Time     // when the line has sent everything
	coming  []arrival
	most    int // that it owed at a time, in bytes
}

type arrival struct {
	at unit.Time
	b  Block
}

func (l *line) ask(now unit.Time, b Block) {
	l.free = max(l.free, now.Add(l.latency)).Add(unit.Bytes(b.Length).Over(l.rate))
	l.coming = append(l.coming, arrival{l.free, b})
}

// drive moves bytes over the line until the time and returns the peer.
func drive(l *line, until time.Duration) (*Swarm, *peer) {
	lengths := make([]int32, 2000)
	for i := range lengths {
		lengths[i] = 16 << 20
	}
	s := New(Config{
		Self: "self", Location: "r", Lengths: lengths, Have: artifact.NewBitset(len(lengths)),
		Download: unlimited(),
	})
	s.PeerJoined(0, PeerInfo{Node: "p", Location: "r", MaxRequest: MaxRequest})
	out := s.PeerHas(0, "p", artifact.All(len(lengths)), nil)
	for now := unit.Time(0); ; {
		for _, a := range out {
			switch a := a.(type) {
			case Request:
				l.ask(now, a.Block)
			case Store:
				s.Stored(now, a.Span, true, nil)
			}
		}
		l.most = max(l.most, s.peers["p"].owed)
		next := l.coming[0]
		if now = next.at; now > unit.Time(until) {
			return s, s.peers["p"]
		}
		l.coming = l.coming[1:]
		out = s.Received(now, "p", next.b, true, nil)
	}
}

// The window comes to hold about twice what is under way on the line, and the
// line is not left idle.
func TestWindowFollowsTheLine(t *testing.T) {
	for _, c := range []struct {
		rate               unit.Rate
		latency            time.Duration
		window, request    int // at most
		least, leastToTake int
	}{
		{62_500, 20 * time.Millisecond, 32 << 10, 16 << 10, 32 << 10, 16 << 10},         // 500 kbit/s
		{1_250_000, 5 * time.Millisecond, 256 << 10, 32 << 10, 64 << 10, 32 << 10},      // 10 Mbit/s
		{125e6, 200 * time.Microsecond, 1 << 20, 512 << 10, 300_000, 128 << 10},         // 1 Gbit/s in a rack
		{12_500_000, 50 * time.Millisecond, 2 << 20, 352 << 10, 1_250_000, 352 << 10},   // 100 Mbit/s across a country
		{1_250_000_000, 100 * time.Microsecond, 2 << 20, 512 << 10, 1 << 20, 512 << 10}, // 10 Gbit/s
	} {
		l := &line{rate: c.rate, latency: c.latency}
		const long = 20 * time.Second
		s, p := drive(l, long)
		if w := p.pace.window; w > c.window || w < c.least {
			t.Errorf("%v at %v: the window is %d, want %d to %d", c.rate, c.latency, w, c.least, c.window)
		}
		if n := p.pace.request(0, false); n > c.request || n < c.leastToTake {
			t.Errorf("%v at %v: requests of %d, want %d to %d", c.rate, c.latency, n, c.leastToTake, c.request)
		}
		if got, can := s.counters.Received, c.rate.In(long); got < can*9/10 {
			t.Errorf("%v at %v: %d bytes, the line carries %d", c.rate, c.latency, got, can)
		}
	}
}

// Peers let no more wait than they have to: what is asked of one keeps to MostOwed,
// and comes near it on a long line.
func TestMostOwed(t *testing.T) {
	l := &line{rate: 1_250_000_000, latency: 5 * time.Millisecond}
	drive(l, 2*time.Second)
	if l.most > MostOwed || l.most < maxWindow {
		t.Errorf("the peer owes %d bytes at most, want %d to %d", l.most, maxWindow, MostOwed)
	}
}

// A latency that grows is noticed, though the peer is never idle by itself.
func TestLatencyThatGrows(t *testing.T) {
	p := newPace(MaxRequest, false)
	p.ask(0)
	p.received(unit.Time(time.Millisecond), 0, true)
	later := unit.Time(0).Add(latencyTTL + time.Second)
	p.received(later, later-unit.Time(30*time.Millisecond), false)
	if p.latency != time.Millisecond {
		t.Fatalf("the wait behind others counts as latency: %v", p.latency)
	}
	p.received(later, later-unit.Time(20*time.Millisecond), true)
	if p.latency != 20*time.Millisecond {
		t.Errorf("the latency is %v, want the 20 ms that it is now", p.latency)
	}
}

// To measure again, a busy peer is let run dry once, not more often.
func TestRunsDryForTheLatency(t *testing.T) {
	l := &line{rate: 125e6, latency: 200 * time.Microsecond}
	_, p := drive(l, 30*time.Second)
	if got := p.pace.measured; got < unit.Time(20*time.Second) || p.pace.latency > 2*time.Millisecond {
		t.Errorf("measured last at %v: %v", time.Duration(got), p.pace.latency)
	}
}

// When all answers take much longer the latency is measured again soon; if it was
// the queue, later and later.
func TestLatencyIsDoubtedSoon(t *testing.T) {
	p := newPace(MaxRequest, false)
	ms := func(n int) unit.Time { return unit.Time(time.Duration(n) * time.Millisecond) }
	p.received(ms(10), 0, true)
	p.received(ms(500), ms(400), false)
	if p.stale(ms(900)) || !p.stale(ms(1100)) {
		t.Errorf("stale after 890 ms: %v, 1090 ms: %v; want false, true", p.stale(ms(900)), p.stale(ms(1100)))
	}
	p.received(ms(1120), ms(1110), true) // it was the queue
	if p.stale(ms(2500)) || !p.stale(ms(3200)) {
		t.Error("it is not doubted after two seconds the second time")
	}
	p.received(ms(3300), ms(3200), true)
	if p.latency != 100*time.Millisecond || p.stale(ms(4000)) || !p.stale(ms(4400)) {
		t.Errorf("a latency of %v that has proved right is doubted at another time than a second later", p.latency)
	}
	p.received(ms(4350), ms(4200), false)
	if p.stale(ms(5300)) {
		t.Error("it is doubted although an answer was quick")
	}
}

// A peer that dozens may ask is asked for little by each of them at first; one that is
// ours alone for as much as one may have under way. What the rate says comes after that.
func TestFirstWindowIsShared(t *testing.T) {
	first := func(others int) int {
		s := newTest("self", "r1", 40)
		named := []PeerInfo{{Node: "p", Location: "r1"}}
		for i := range others {
			named = append(named, PeerInfo{Node: unit.NodeID(fmt.Sprint("q", i)), Location: "r1", Top: 0})
		}
		s.PeerJoined(0, named[0])
		s.Moved(0, "r1", named, named, nil)
		return s.peers["p"].pace.window
	}
	for others, want := range map[int]int{0: firstWindow, 7: firstLoad / 8, 100: leastFirst} {
		if got := first(others); got != want {
			t.Errorf("with %d others the first window is %d bytes, want %d", others, got, want)
		}
	}
}
