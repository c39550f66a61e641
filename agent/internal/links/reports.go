package links

import (
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/unit"
)

// settle is after what time all nodes have told what they had moved by then.
const settle = 350 * time.Millisecond

// watched is what a watch knows of one link. It is guarded by the watch's mutex.
type watched struct {
	ours *ours
	read unit.Time // when claims were read last
	// reports are those that are not published yet, the oldest first.
	reports []probe.Report
	others  rates
	of      unit.Time // what the others are of: the end of a use; 0 is none
}

// take keeps a report until it is published, and forgets those that will not be, as a
// later one has settled: while the store does not answer nothing is published.
func (k *watched) take(now unit.Time, r probe.Report) {
	k.reports = append(k.reports, r)
	for len(k.reports) > 1 && k.isSettled(k.reports[0], now) && k.isSettled(k.reports[1], now) {
		k.reports = k.reports[1:]
	}
}

// settled returns the newest report of what was settle ago, and forgets it and those
// before it.
func (k *watched) settled(now unit.Time) (r probe.Report, ok bool) {
	for len(k.reports) > 0 {
		if !k.isSettled(k.reports[0], now) {
			return r, ok
		}
		r, ok = k.reports[0], true
		k.reports = k.reports[1:]
	}
	return r, ok
}

// isSettled reports whether all nodes have told what they had moved by the time that a
// report is of, or it is of no time that is new.
func (k *watched) isSettled(r probe.Report, now unit.Time) bool {
	return !r.Known || r.Use.At == k.of || now.Sub(r.Use.At) >= settle
}
