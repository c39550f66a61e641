package bandwidth

import (
	"slices"
	"time"
)

const (
	// maxRefresh is the longest time between two refreshes of a device's counters
	// that is believed.
	maxRefresh = 30 * time.Second
	// gapsKept is how many gaps the refresh interval is learned from.
	gapsKept = 16
)

// refresh learns how often a device renews its counters. Between two refreshes
// every reading is the same, whatever the link carries.
//
// A refresh is seen by the first poll after it, so that the time between two
// changes is that between two refreshes give or take a poll; over many changes
// these errors cancel out. A device that renews at each poll, or oftener, has the
// interval of the polls.
type refresh struct {
	gaps []time.Duration // between changes, the newest last
	poll time.Duration   // between readings, lately
	long time.Duration   // the last gap that did not fit, 0 if the last one did
}

// learn takes the time between two changes.
func (f *refresh) learn(gap time.Duration) {
	if gap > maxRefresh {
		return
	}
	if known, ok := f.interval(); ok && gap > known+3*f.poll/2 && gap > 3*known/2 {
		again := f.long > 0 && (f.long-gap).Abs() <= 3*f.poll/2
		f.long = gap
		if !again {
			return // nothing moved for a while, or a poll was lost
		}
		f.gaps = f.gaps[:0] // twice the same: it renews more seldom than before
	}
	f.long = 0
	if len(f.gaps) == gapsKept {
		f.gaps = slices.Delete(f.gaps, 0, 1)
	}
	f.gaps = append(f.gaps, gap)
}

// polled takes the time between two readings.
func (f *refresh) polled(gap time.Duration) {
	if f.poll == 0 {
		f.poll = gap
	}
	f.poll += (min(gap, 2*f.poll) - f.poll) / 8
}

// interval returns the time between refreshes, false if it is not known yet.
func (f *refresh) interval() (time.Duration, bool) {
	if len(f.gaps) == 0 {
		return 0, false
	}
	limit := 5*slices.Min(f.gaps)/4 + 3*f.poll/2 // a longer gap has several refreshes
	var sum time.Duration
	n := 0
	for _, gap := range f.gaps {
		if gap <= limit {
			sum += gap
			n++
		}
	}
	return sum / time.Duration(n), true
}

// between returns the time between the refreshes that were seen gap apart. The
// last of them came in the time poll before it was seen, the first one in the
// time late. That leaves some whole numbers of intervals, of which the one
// nearest to likely is taken; with none it is the gap itself.
func (f *refresh) between(gap, poll, late, likely time.Duration) time.Duration {
	interval, _ := f.interval()
	if len(f.gaps) < 4 || gap <= poll && interval <= f.poll+f.poll/10 {
		return gap // not learned yet, or renewed at each poll
	}
	best, learned := gap, interval/8 // the interval is known but roughly
	for whole := interval; whole < gap+late+learned; whole += interval {
		if whole > gap-poll-learned && (best == gap || (whole-likely).Abs() < (best-likely).Abs()) {
			best = whole
		}
	}
	return best
}

// idleAfter returns after how long without a change the link carries nothing.
func (f *refresh) idleAfter() time.Duration {
	interval, ok := f.interval()
	if !ok {
		return maxRefresh
	}
	return 3*interval/2 + f.poll
}
