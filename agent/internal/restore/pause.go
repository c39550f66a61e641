package restore

import (
	"context"
	"time"

	decide "github.com/rackswarm/rackswarm/core/restore"
)

// How long a part waits before it does the same operation again.
const (
	pollInterval    = 500 * time.Millisecond // a health, a release
	pinInterval     = 10 * time.Second
	firstBackoff    = 500 * time.Millisecond
	longestBackoff  = 30 * time.Second
	urgentBackoff   = 5 * time.Second // while a database is down
	journalInterval = time.Second     // for a journal that could not be written
)

// pause waits before the same operation is done again.
func (p *part) pause(ctx, hard context.Context, op decide.Op, r decide.Result) {
	p.say(op, nil)
	switch {
	case p.next() != op:
		p.attempts = 0
		return
	case r.Err != nil:
		p.attempts++
	default:
		p.attempts = 0
	}
	if finishes(op) {
		ctx = hard
	}
	deadline := time.NewTimer(delay(op, r.Err != nil, p.attempts))
	defer deadline.Stop()
	for p.next() == op {
		select {
		case <-ctx.Done():
			return
		case <-deadline.C:
			return
		case <-p.wake:
		}
	}
}

// delay is how long to wait before op is done again, after so many failures.
func delay(op decide.Op, failed bool, attempts int) time.Duration {
	switch {
	case failed && (finishes(op) || op == decide.OpStop || op == decide.OpStopNew):
		return min(firstBackoff<<min(attempts-1, 10), urgentBackoff)
	case failed:
		return min(firstBackoff<<min(attempts-1, 10), longestBackoff)
	case op == decide.OpWatchPin:
		return pinInterval
	case op.Polled():
		return pollInterval
	}
	return 0
}

// rest waits until something may have changed, or so long; false if ctx ended.
func (p *part) rest(ctx context.Context, atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-p.wake:
	case <-timer.C:
	}
	return true
}

// restInterval is how long a part rests that waits for the run.
func restInterval(unwritten bool) time.Duration {
	if unwritten {
		return journalInterval
	}
	return resyncInterval
}
