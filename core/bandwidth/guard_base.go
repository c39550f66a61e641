package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// basePeriod is how long one entry of the history of base delays is for, and
// basePeriods how many there are.
const (
	basePeriod  = 10 * time.Second
	basePeriods = 4
)

// baseDelay remembers the least round-trip times of the last periods, so that a
// way that became longer is learned after a while. The kernel's least one counts
// when it is news: it may be minutes old otherwise.
type baseDelay struct {
	periods [basePeriods]time.Duration // 0 is none; the present one is the first
	began   unit.Time
	kernel  time.Duration
}

func (b *baseDelay) observe(s Sample) {
	if b.periods[0] == 0 {
		b.began = s.At
	}
	for n := 0; s.At.Sub(b.began) >= basePeriod && n < basePeriods; n++ {
		copy(b.periods[1:], b.periods[:])
		b.periods[0] = 0
		b.began = b.began.Add(basePeriod)
	}
	if s.At.Sub(b.began) >= basePeriod {
		b.began = s.At
	}
	seen := s.RTT
	if s.MinRTT > 0 && s.MinRTT != b.kernel {
		seen, b.kernel = min(seen, s.MinRTT), s.MinRTT
	}
	if b.periods[0] == 0 || seen < b.periods[0] {
		b.periods[0] = seen
	}
}

// least is the base delay; false if there is none yet.
func (b *baseDelay) least() (least time.Duration, ok bool) {
	for _, d := range b.periods {
		if d > 0 && (!ok || d < least) {
			least, ok = d, true
		}
	}
	return least, ok
}
