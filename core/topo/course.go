package topo

import (
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Course is a capacity over time: it has the rate of each step from that step's
// time until the next one's. Invariant: the first step is at 0, and times rise.
type Course []Step

// Step is a point in time from which on a capacity is Rate.
type Step struct {
	From time.Duration
	Rate unit.Rate
}

// Constant is the course of a capacity that does not change.
func Constant(r unit.Rate) Course { return Course{{0, r}} }

// merge is the course of f of two courses.
func merge(a, b Course, f func(a, b unit.Rate) unit.Rate) Course {
	merged := make(Course, 0, len(a)+len(b)-1)
	for i, j := 0, 0; ; {
		merged = append(merged, Step{max(a[i].From, b[j].From), f(a[i].Rate, b[j].Rate)})
		nextA, nextB := a.end(i), b.end(j)
		if min(nextA, nextB) == math.MaxInt64 {
			return merged
		}
		if nextA <= nextB {
			i++
		}
		if nextB <= nextA {
			j++
		}
	}
}

// end is when step i is over, 2⁶³−1 for the last one.
func (c Course) end(i int) time.Duration {
	if i+1 == len(c) {
		return math.MaxInt64
	}
	return c[i+1].From
}

// until returns the time at which bytes of payload have passed that began to at
// start: the least T with ∫ c(t) dt ≥ bytes/Goodput from start to T; 2⁶³−1 if
// they never have.
func (c Course) until(bytes unit.Bytes, start time.Duration) time.Duration {
	left := float64(bytes) / Goodput // on the wire
	for i, step := range c {
		end := c.end(i)
		if end <= start {
			continue
		}
		start = max(start, step.From)
		if need := wireTime(left, step.Rate); need <= end-start {
			return addTime(start, need)
		}
		left -= float64(step.Rate) * (end - start).Seconds()
		start = end
	}
	return math.MaxInt64
}

// mean is the rate that takes as long as the course for bytes of payload between
// two times; for a course without changes the course's own.
func (c Course) mean(bytes unit.Bytes, start, end time.Duration) unit.Rate {
	switch d := end - start; {
	case len(c) == 1:
		return c[0].Rate
	case end == math.MaxInt64:
		return 0
	case d == 0:
		return unit.Unlimited
	default:
		return unit.Bytes(float64(bytes) / Goodput).Per(d)
	}
}

// addTime is a+b, at most 2⁶³−1.
func addTime(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
