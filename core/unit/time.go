package unit

import (
	"math"
	"time"
)

// Time is a point in time in nanoseconds since an epoch that its user chose:
// the start of the process in the agent, zero in the simulator. It is monotonic
// and has no meaning across processes.
type Time int64

// Never is the deadline of something that is not scheduled.
const Never Time = math.MaxInt64

// Add returns t+d. Never stays Never, and a sum beyond it is Never.
func (t Time) Add(d time.Duration) Time {
	if t == Never || (d > 0 && t > Never-Time(d)) {
		return Never
	}
	return t + Time(d)
}

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Before reports whether t is earlier than u.
func (t Time) Before(u Time) bool { return t < u }

// Reached reports whether a deadline t has come by the time now.
func (t Time) Reached(now Time) bool { return t <= now }
