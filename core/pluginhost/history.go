package pluginhost

import (
	"slices"
	"time"
)

// Policy says when a driver that crashes is started again.
type Policy struct {
	// Backoff is the pause after the first crash; each further one within Window
	// doubles it, up to MaxBackoff.
	Backoff, MaxBackoff time.Duration
	// Crashes within Window make a driver unhealthy: it is not started for CoolDown
	// after the last of them. Then one start is tried; another crash begins another
	// CoolDown.
	Crashes  int
	Window   time.Duration
	CoolDown time.Duration
}

// withDefaults fills in what is zero.
func (p Policy) withDefaults() Policy {
	fill := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	fill(&p.Backoff, 200*time.Millisecond)
	fill(&p.MaxBackoff, 10*time.Second)
	fill(&p.Window, 5*time.Minute)
	fill(&p.CoolDown, time.Minute)
	if p.Crashes == 0 {
		p.Crashes = 5
	}
	return p
}

// history is when a driver's process crashed lately, oldest first. It has no
// clock and no lock.
type history []time.Time

// crashed notes a crash and forgets those before the window.
func (h history) crashed(now time.Time, p Policy) history {
	return append(h.within(now, p), now)
}

func (h history) within(now time.Time, p Policy) history {
	return slices.DeleteFunc(slices.Clone(h), func(t time.Time) bool { return now.Sub(t) >= p.Window })
}

// next says how long to wait before the next start; with unhealthy, calls are to
// fail until then rather than to wait.
//
// Invariant: wait is at most MaxBackoff, or at most CoolDown if unhealthy.
func (h history) next(now time.Time, p Policy) (wait time.Duration, unhealthy bool) {
	recent := h.within(now, p)
	if len(recent) == 0 {
		return 0, false
	}
	last := recent[len(recent)-1]
	if len(recent) >= p.Crashes {
		rest := last.Add(p.CoolDown).Sub(now)
		return max(rest, 0), rest > 0
	}
	pause := p.Backoff
	for range len(recent) - 1 {
		pause = min(pause*2, p.MaxBackoff)
	}
	return max(last.Add(min(pause, p.MaxBackoff)).Sub(now), 0), false
}
