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
	latency func(now unit.Time) time.Duration // from a request to the first byte of its data
	free    unit.Time                         // when the line has sent everything
	coming  []arrival
	most    int // that it owed at a time, in bytes
}

// always is a latency that does not change.
func always(d time.Duration) func(unit.Time) time.Duration {
	return func(unit.Time) time.Duration { return d }
}

type arrival struct {
	at unit.Time
	b  Block
}

func (l *line) ask(now unit.Time, b Block) {
	l.free = max(l.free, now.Add(l.latency(now))).Add(unit.Bytes(b.Length).Over(l.rate))
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

// The window comes to hold what the line carries in windowTime, within bounds, and the
// line is not left idle.
func TestWindowFollowsTheLine(t *testing.T) {
	for _, c := range []struct {
		rate            unit.Rate
		latency         time.Duration
		window, request int // about
	}{
		{62_500, 20 * time.Millisecond, 32 << 10, 16 << 10},         // 500 kbit/s
		{1_250_000, 5 * time.Millisecond, 625_000, 32 << 10},        // 10 Mbit/s
		{125e6, 200 * time.Microsecond, 2 << 20, 512 << 10},         // 1 Gbit/s in a rack
		{12_500_000, 50 * time.Millisecond, 2 << 20, 352 << 10},     // 100 Mbit/s across a country
		{1_250_000, 300 * time.Millisecond, 625_000, 32 << 10},      // 10 Mbit/s by satellite
		{1_250_000_000, 100 * time.Microsecond, 2 << 20, 512 << 10}, // 10 Gbit/s
	} {
		l := &line{rate: c.rate, latency: always(c.latency)}
		const long = 20 * time.Second
		s, p := drive(l, long)
		if w := p.pace.window; w > c.window*11/10 || w < c.window*9/10 {
			t.Errorf("%v at %v: the window is %d, want about %d", c.rate, c.latency, w, c.window)
		}
		if n := p.pace.request(); n > c.request || n < c.request*9/10 {
			t.Errorf("%v at %v: requests of %d, want %d", c.rate, c.latency, n, c.request)
		}
		if got, can := s.counters.Received, c.rate.In(long); got < can*9/10 {
			t.Errorf("%v at %v: %d bytes, the line carries %d", c.rate, c.latency, got, can)
		}
	}
}

// When our own uplink fills, requests wait behind what we send, and answers take nearly
// three times as long as in a quiet moment. The peer stays as fast as it was.
func TestRequestsThatWaitBehindOurOwnUploads(t *testing.T) {
	const rate, quiet, full = 5_000_000, 90 * time.Millisecond, 250 * time.Millisecond
	l := &line{rate: rate, latency: func(now unit.Time) time.Duration {
		if now < seconds(2) {
			return quiet
		}
		return full
	}}
	s, p := drive(l, 10*time.Second)
	if got := s.counters.Received; got < 96*rate/10 {
		t.Errorf("%d bytes in 10 s, at %d a second", got, rate)
	}
	if p.pace.latency < quiet || p.pace.latency > full {
		t.Errorf("the least latency is %v", p.pace.latency)
	}
}

// Peers let no more wait than they have to: what is asked of one keeps to MostOwed,
// and comes near it on a long line.
func TestMostOwed(t *testing.T) {
	l := &line{rate: 1_250_000_000, latency: always(5 * time.Millisecond)}
	drive(l, 2*time.Second)
	if l.most > MostOwed || l.most < maxWindow {
		t.Errorf("the peer owes %d bytes at most, want %d to %d", l.most, maxWindow, MostOwed)
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
