package bandwidth

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

const ms = time.Millisecond

// samples are of a connection that moves as much as it may, at a rtt that each
// tells, one each 50 ms.
func samples(g *Guard, from Sample, rtts ...time.Duration) Sample {
	for _, rtt := range rtts {
		from.At = from.At.Add(round)
		from.RTT = rtt
		from.Acked += g.Rate().In(round)
		g.Sample(from)
	}
	return from
}

// One sample above the target does not lower the rate by much, two do; and only
// after a round trip another two. Single ones far above it are acknowledgements that were
// late: the next sample takes back what they did.
func TestGuardNeedsTwoSamples(t *testing.T) {
	g := NewGuard(GuardConfig{Floor: 1e6, Ceiling: unit.Unlimited})
	s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 20)...)
	before := g.Rate()
	if before < 20e6 || g.Held() {
		t.Fatalf("without delay it ramps to %d only", before)
	}
	if s = samples(g, s, 13*ms); g.Rate() != before || g.Delay() != 3*ms {
		t.Errorf("one sample: from %d to %d", before, g.Rate())
	}
	if s = samples(g, s, 13*ms); float64(g.Rate()) > .86*float64(before) || !g.Held() {
		t.Errorf("two samples: from %d to %d", before, g.Rate())
	}
	s = samples(g, s, 10*ms)
	after := g.Rate()
	s = samples(g, s, 40*ms, 10*ms, 40*ms, 10*ms)
	if float64(g.Rate()) < .9*float64(after) {
		t.Errorf("single ones: from %d to %d", after, g.Rate())
	}
	samples(g, s, slices.Repeat([]time.Duration{300 * ms}, 40)...)
	if g.Rate() != 1e6 {
		t.Errorf("a full queue leaves %d", g.Rate())
	}
}

// A queue that grows gets no more from the first sample on than leaves it, and one that
// may overflow before the next sample gets less by its length at once.
func TestGuardStopsAddingToAQueue(t *testing.T) {
	for _, c := range []struct {
		queue       time.Duration
		least, most float64 // of what arrives
	}{{6 * ms, .99, 1}, {15 * ms, .69, .71}, {30 * ms, .39, .41}, {200 * ms, .29, .31}} {
		g := NewGuard(GuardConfig{Floor: 1e6, Ceiling: unit.Unlimited})
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 20)...)
		delivered := g.Rate() * 2 / 3
		s.At, s.RTT, s.Acked = s.At.Add(round), 10*ms+c.queue, s.Acked+delivered.In(round)
		if r := float64(g.Sample(s)) / float64(delivered); r < c.least || r > c.most {
			t.Errorf("a queue of %v: %.2f of what arrives", c.queue, r)
		}
	}
}

// What one sample lowered stays so if the next one comes too late to tell a queue that
// has drained from an acknowledgement that was late.
func TestGuardBelievesAQueueThatCouldDrain(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		back  bool
	}{{20 * ms, true}, {200 * ms, false}} {
		g := NewGuard(GuardConfig{Floor: 1e6, Ceiling: unit.Unlimited})
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 20)...)
		before := float64(g.Rate())
		s = samples(g, s, 40*ms)
		if r := float64(g.Rate()); r > .5*before {
			t.Fatalf("a queue of 30 ms: from %.0f to %.0f", before, r)
		}
		s.At, s.RTT, s.Acked = s.At.Add(c.after), 10*ms, s.Acked+g.Rate().In(c.after)
		if r := float64(g.Sample(s)); r >= before != c.back {
			t.Errorf("%v later: from %.0f to %.0f", c.after, before, r)
		}
	}
}

// Who does not use its rate gets no higher one. Who had nothing to move for a second
// begins anew, but not who waits for acknowledgements for so long.
func TestGuardOfALittleUsedConnection(t *testing.T) {
	const begin = 4e6
	g := NewGuard(GuardConfig{Floor: 1e6, Ceiling: unit.Unlimited, Start: begin})
	if g.Rate() != begin {
		t.Fatalf("it begins with %d", g.Rate())
	}
	s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 20)...)
	before := g.Rate()
	s.Waiting = true
	for range 60 {
		s.At = s.At.Add(round)
		s.Acked += 1000
		g.Sample(s)
	}
	for range 60 {
		s.At = s.At.Add(round)
		g.Sample(s)
	}
	if g.Rate() != before {
		t.Errorf("little used: from %d to %d", before, g.Rate())
	}
	s.Waiting = false
	for range 21 {
		s.At = s.At.Add(round)
		g.Sample(s)
	}
	if r := g.Rate(); r != begin {
		t.Errorf("idle for a second: from %d to %d", before, r)
	}
}

// A segment lost here and there, also in two samples after each other, is no sign of a full
// queue; what is lost in each round is.
func TestGuardJudgesLossByRounds(t *testing.T) {
	const segment, rate = 1448, 5e6
	for name, test := range map[string]struct {
		every, lost int // samples, of which that many after each other lose a segment
		cuts        bool
	}{
		"none":              {1, 0, false},
		"one in a thousand": {28, 2, false},
		"two in a hundred":  {1, 1, true},
	} {
		g := NewGuard(GuardConfig{Floor: 1e5, Ceiling: rate, Start: rate, Shared: true})
		s, least := Sample{}, g.Rate()
		for i := range 400 {
			s.At, s.RTT = s.At.Add(sampleEvery), ms
			s.Acked += g.Rate().In(sampleEvery)
			if i%test.every < test.lost {
				s.Retransmitted += segment
			}
			least = min(least, g.Sample(s))
		}
		if least < rate != test.cuts {
			t.Errorf("%s: it falls to %d", name, least)
		}
	}
}
