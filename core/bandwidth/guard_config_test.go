package bandwidth

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Whatever the kernel says, the rate stays between floor and ceiling.
func TestGuardStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rates := rapid.OneOf(rapid.Int64Range(0, 1<<32), rapid.Just(int64(unit.Unlimited)))
		config := func() GuardConfig {
			return GuardConfig{
				Floor: unit.Rate(rapid.Int64Range(-1, 1<<30).Draw(t, "floor")), Ceiling: unit.Rate(rates.Draw(t, "ceiling")),
				Link: unit.Rate(rates.Draw(t, "link")), Connections: rapid.IntRange(-1, 100).Draw(t, "connections"),
				Shared: rapid.Bool().Draw(t, "shared"), Budget: unit.Rate(rates.Draw(t, "budget")), Target: time.Duration(rapid.Int64Range(-1, int64(sec)).Draw(t, "target")),
			}
		}
		c := config()
		g := NewGuard(c)
		any64 := rapid.OneOf(rapid.Int64Range(0, int64(sec)), rapid.Int64())
		s := Sample{}
		for range rapid.IntRange(0, 100).Draw(t, "samples") {
			if rapid.IntRange(0, 20).Draw(t, "configured") == 0 {
				c = config()
				g.Configure(c)
			}
			s.At += unit.Time(rapid.Int64Range(-1, int64(sec)).Draw(t, "wait"))
			s.RTT, s.MinRTT = time.Duration(any64.Draw(t, "rtt")), time.Duration(any64.Draw(t, "least"))
			s.Delivery = unit.Rate(any64.Draw(t, "delivery"))
			s.Acked += unit.Bytes(rapid.Int64Range(-1, 1<<40).Draw(t, "acked"))
			s.Retransmitted += unit.Bytes(rapid.Int64Range(-1, 1<<20).Draw(t, "again"))
			r := g.Sample(s)
			high := c.Ceiling
			if c.Link > 0 {
				high = min(high, c.Link)
			}
			low := max(c.Floor/unit.Rate(max(c.Connections, 1)), leastRate)
			if c.Ceiling < unit.Unlimited {
				low = ceilingFloor.of(c.Ceiling)
				if !c.Shared {
					low = min(low, FloorOf(c.Link))
				}
				low = max(low, leastRate)
			}
			low = min(low, high-high/10-1)
			if r < low || r > high || r != g.Rate() {
				t.Fatalf("%d after %+v, of %+v", r, s, c)
			}
		}
	})
}

// A connection in a full queue is left with a part of its ceiling, or with the floor where
// there is none. Where others may have the same ceiling it is the link's floor at most.
func TestGuardKeepsAPartOfItsCeilingInAFullQueue(t *testing.T) {
	for _, test := range []struct {
		ceiling unit.Rate
		shared  bool
		link    unit.Rate
		want    unit.Rate
	}{
		{unit.Unlimited, true, 0, 1e5},
		{10e6, true, 10e6, 4e5},
		{1e4, true, 0, leastRate},
		{1000, true, 0, 1000},
		{10e6, false, 10e6, 2e5},
		{100e6, false, 0, FloorOf(0)},
		{2e6, false, 10e6, 8e4},
	} {
		g := NewGuard(GuardConfig{Floor: 1e6, Connections: 10, Ceiling: test.ceiling, Shared: test.shared, Link: test.link, Start: min(test.ceiling, 1e7)})
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 20)...)
		samples(g, s, slices.Repeat([]time.Duration{300 * ms}, 100)...)
		if g.Rate() != test.want || g.Floor() != test.want {
			t.Errorf("%+v: a full queue leaves %d of a floor of %d", test, g.Rate(), g.Floor())
		}
	}
}

// What a measurement says that there is now is taken in a moment, also by one that yields;
// not what changes as others join or leave, whatever that does to ceilings.
func TestGuardTakesRoomThatWasMeasuredAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		budget      [2]unit.Rate
		ceiling     unit.Rate
		connections int
		takes       bool
	}{
		"measured":                               {[2]unit.Rate{8e6, 32e6}, 8e6, 4, true},
		"measured after nothing was":             {[2]unit.Rate{0, 32e6}, 8e6, 4, true},
		"measured, and less than a quarter more": {[2]unit.Rate{8e6, 9.9e6}, 8e6, 4, false},
		"others leave":                           {[2]unit.Rate{8e6, 8e6}, 8e6, 1, false},
		"somebody joins":                         {[2]unit.Rate{8e6, 8e6}, 3e6, 8, false},
		"one more has no ceiling":                {[2]unit.Rate{unit.Unlimited, unit.Unlimited}, unit.Unlimited, 8, false},
		"the link has no limit any more":         {[2]unit.Rate{8e6, unit.Unlimited}, 8e6, 4, false},
	} {
		c := GuardConfig{Floor: 1e5, Connections: 4, Ceiling: 2e6, Shared: true, Start: 2e6, Budget: test.budget[0]}
		g := NewGuard(c)
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 5)...)
		s = samples(g, s, slices.Repeat([]time.Duration{40 * ms}, 10)...)
		s = samples(g, s, 10*ms)
		held := g.Rate()
		c.Ceiling, c.Connections, c.Budget = test.ceiling, test.connections, test.budget[1]
		g.Configure(c)
		samples(g, s, slices.Repeat([]time.Duration{10 * ms}, 16)...)
		if r := g.Rate(); r > 2*max(held, g.Floor()) != test.takes {
			t.Errorf("%s: after %v it has %d of %d, before %d", name, 16*round, r, c.Ceiling, held)
		}
	}
}
