package bandwidth

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// A long queue on a link whose budget is known says that others came, and how much they
// need is not known until it is measured: so long the rate stays low, though the queue
// is gone. Without a budget it only sinks until the queue is gone.
func TestGuardYieldsUntilOthersAreMeasured(t *testing.T) {
	for _, test := range []struct {
		ceiling unit.Rate
		yields  bool
	}{{10e6, true}, {unit.Unlimited, false}} {
		g := NewGuard(GuardConfig{Floor: 1e5, Ceiling: test.ceiling, Start: 10e6})
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 5)...)
		s = samples(g, s, 25*ms, 25*ms, 25*ms, 25*ms)
		after := g.Rate()
		s = samples(g, s, slices.Repeat([]time.Duration{10 * ms}, int(yieldFor/round)-2)...)
		if g.Rate() > after != !test.yields {
			t.Errorf("with a ceiling of %d: from %d to %d", test.ceiling, after, g.Rate())
		}
		samples(g, s, slices.Repeat([]time.Duration{10 * ms}, int(2*sec/round))...)
		if g.Rate() < 9e6 {
			t.Errorf("with a ceiling of %d it uses %d afterwards", test.ceiling, g.Rate())
		}
	}
}

// Two samples that are far apart tell of no long queue.
func TestGuardYieldsToWhatManySamplesShow(t *testing.T) {
	for every, yields := range map[time.Duration]bool{50 * ms: true, 160 * ms: false} {
		g := NewGuard(GuardConfig{Floor: 1e5, Ceiling: 10e6, Start: 10e6, Shared: true})
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 5)...)
		for elapsed := time.Duration(0); elapsed < 210*ms; elapsed += every {
			s.At, s.RTT = s.At.Add(every), 25*ms
			s.Acked += g.Rate().In(every)
			g.Sample(s)
		}
		if g.yieldsTo > s.At != yields {
			t.Errorf("with a sample each %v: it yields until %v, at %v", every, g.yieldsTo, s.At)
		}
	}
}
