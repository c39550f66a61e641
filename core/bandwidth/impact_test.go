package bandwidth

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// use is a host's at some time.
func use(at time.Duration, idle Part, latency time.Duration) HostUse {
	return HostUse{At: unit.Time(at), Over: sec, CPUIdle: idle, DiskLatency: latency}
}

var hostLink = topo.Hop{Node: "web17"}

// The rule of requirement 40: 5% idle of 20% leave a quarter, at once. What was
// lost comes back by a quarter each second, after a second without a reason.
func TestCPUScalesTheHostsBudget(t *testing.T) {
	h := NewHostLoad(DefaultImpact())
	whole := NewBudget(Binding{Reason: Reserve, Hop: hostLink, Rate: 1000, Capacity: 1250})
	for _, step := range []struct {
		at, idle Part // in seconds
		want     unit.Rate
		reason   Reason
	}{
		{1, .5, 1000, Reserve}, {2, .2, 1000, Reserve}, {3, .1, 500, CPU}, {4, .05, 250, CPU}, {5, .9, 500, CPU},
		{5.5, .9, 625, CPU}, {6, .1, 500, CPU}, {6.5, .9, 500, CPU}, {7, .9, 625, CPU}, {9, .9, 875, CPU}, {10, .9, 1000, Reserve},
		{11, 0, 20, CPU},
	} {
		h.Use(use(time.Duration(step.at*Part(sec)), step.idle, 0), true)
		if b := h.Limit(whole, 0, 0); b.Rate != step.want || b.Binding.Reason != step.reason || b.Binding.Hop != hostLink {
			t.Errorf("at %v s with %s idle: %s, want %d", float64(step.at), step.idle, b.Binding, step.want)
		}
	}
}

// Waiting for I/O or memory counts like the CPU, and the tightest binds.
func TestPressureScalesTheHostsBudget(t *testing.T) {
	for _, tt := range []struct {
		idle   Part
		stalls *Stalls
		want   Part
		reason Reason
	}{
		{1, nil, 1, Reserve},
		{1, &Stalls{CPU: 1}, 1, Reserve},
		{1, &Stalls{IO: .9}, .5, IOPressure},
		{1, &Stalls{Memory: .95}, .25, MemPressure},
		{.15, &Stalls{IO: .9, Memory: .95}, .25, MemPressure},
		{.01, &Stalls{IO: .9, Memory: .95}, .05, CPU},
		{1, &Stalls{IO: 1}, leastFactor, IOPressure},
	} {
		h := NewHostLoad(DefaultImpact())
		u := use(sec, tt.idle, 0)
		u.Stalled = tt.stalls
		h.Use(u, true)
		b := h.Limit(NewBudget(Binding{Reason: Reserve, Hop: hostLink, Rate: 1e6}), 0, 0)
		if d := h.Factor() - tt.want; d > 1e-9 || d < -1e-9 || b.Binding.Reason != tt.reason {
			t.Errorf("%+v: %s, %s", tt, h.Factor(), b.Binding)
		}
	}
}

// The disk may answer a fifth and a millisecond later than it does without us.
func TestDiskScalesTheHostsBudget(t *testing.T) {
	h := NewHostLoad(Impact{DiskLatency: 0.2})
	at := time.Duration(0)
	uses := func(n int, latency time.Duration, ours bool) Part {
		for range n {
			at += sec
			h.Use(use(at, 0, latency), ours)
		}
		return h.Factor()
	}
	if f := uses(5, 10*ms, false); f != 1 {
		t.Errorf("without us: %s", f)
	}
	if f := uses(5, 12*ms, true); f != 1 {
		t.Errorf("a fifth later: %s", f)
	}
	if f := uses(1, 20*ms, true); f != .7 {
		t.Errorf("late: %s", f)
	}
	if f := uses(3, 20*ms, true); f > .25 {
		t.Errorf("late for long: %s", f)
	}
	if b := h.Limit(NoLimit(hostLink), 1000, 0); b.Binding.Reason != Disk || b.Rate > 250 || b.Rate == 0 {
		t.Errorf("%s", b.Binding)
	}
	if f := uses(50, 20*ms, true); f != leastFactor {
		t.Errorf("late for ever: %s", f)
	}
	if f := uses(1, 20*ms, false); f < leastFactor || f > .3 {
		t.Errorf("late without us: %s", f)
	}
	if f := uses(10, 10*ms, true); f != 1 {
		t.Errorf("as before: %s", f)
	}
	if f := uses(3, 0, true); f != 1 {
		t.Errorf("without I/O: %s", f)
	}
	if h = NewHostLoad(Impact{DiskLatency: -1}); uses(5, sec, true) != 1 {
		t.Errorf("asked for nothing: %s", h.Factor())
	}
}

// An unlimited budget becomes a part of the interface's speed, or the floor.
func TestABusyHostIsNeverUnlimited(t *testing.T) {
	h := NewHostLoad(DefaultImpact())
	if b := h.Limit(NoLimit(hostLink), 1000, 0); b != NoLimit(hostLink) {
		t.Errorf("idle: %s", b.Binding)
	}
	h.Use(use(sec, .1, 0), true)
	for speed, want := range map[unit.Rate]unit.Rate{1000: 500, 0: floorRate, unit.Unlimited: floorRate} {
		if b := h.Limit(NoLimit(hostLink), speed, 0); b.Rate != want {
			t.Errorf("of %s: %s", speed, b.Binding)
		}
	}
}

// Whatever is seen, a factor lies between the least one and 1, and never rises
// faster than it may.
func TestFactorBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64())
		h := NewHostLoad(Impact{Part(parts.Draw(t, "idle")), Part(parts.Draw(t, "unstalled")), parts.Draw(t, "latency")})
		at := time.Duration(0)
		for range rapid.IntRange(1, 50).Draw(t, "uses") {
			before, wait := h.Factor(), time.Duration(rapid.Int64Range(1, int64(3*sec)).Draw(t, "wait"))
			at += wait
			u := use(at, Part(parts.Draw(t, "idle")), time.Duration(rapid.Int64Range(0, int64(sec)).Draw(t, "latency")))
			u.Stalled = &Stalls{IO: Part(parts.Draw(t, "io")), Memory: Part(parts.Draw(t, "memory"))}
			h.Use(u, rapid.Bool().Draw(t, "ours"))
			f := h.Factor()
			if !(f >= leastFactor && f <= 1) || f > before+recovery*Part(min(wait, sec).Seconds())+1e-9 {
				t.Fatalf("from %v to %v in %v", float64(before), float64(f), wait)
			}
		}
	})
}

// Who does not know the interface's speed keeps the floor, however busy the host is.
func TestABusyHostKeepsTheFloor(t *testing.T) {
	h := NewHostLoad(DefaultImpact())
	h.Use(use(sec, 0, 0), true)
	for _, c := range []struct{ speed, seen, want unit.Rate }{
		{0, 0, 1e6}, {125e6, 0, 2.5e6}, {125e6, 1e9, 2.5e6},
		{0, 344e3, 1e6}, // a part of so little would keep it so
		{0, 125e6, 2.5e6},
	} {
		if b := h.Limit(NoLimit(hostLink), c.speed, c.seen); b.Rate != c.want || b.Binding.Reason != CPU {
			t.Errorf("of %s, seen %s: %s, want %s", c.speed, c.seen, b.Binding, c.want)
		}
	}
}
