package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Bucket is a token bucket over bytes. It allows a debt: whoever takes more
// than there is, such as one large block, is followed by a pause that pays for
// it, so that the long-term rate is exact whatever the sizes.
//
// A rate of zero lets nothing pass; unit.Unlimited lets everything pass.
// Invariant: over any interval d at most rate×d + burst + one block is taken.
type Bucket struct {
	rate   unit.Rate
	burst  unit.Bytes
	tokens unit.Bytes
	at     unit.Time
}

// burstTime is how much unused budget a bucket keeps, as a time at its rate.
const burstTime = 50 * time.Millisecond

// NewBucket returns a full bucket.
func NewBucket(now unit.Time, rate unit.Rate) *Bucket {
	b := &Bucket{at: now}
	b.SetRate(now, rate)
	b.tokens = b.burst
	return b
}

// SetRate changes the rate from now on.
func (b *Bucket) SetRate(now unit.Time, rate unit.Rate) {
	if b.rate > 0 {
		b.refill(now)
	}
	b.at, b.rate, b.burst = now, rate, max(rate.In(burstTime), 1)
	b.tokens = min(b.tokens, b.burst)
}

// Rate is the rate that it has now.
func (b *Bucket) Rate() unit.Rate { return b.rate }

func (b *Bucket) refill(now unit.Time) {
	if b.rate == unit.Unlimited || now <= b.at {
		return
	}
	earned := b.rate.In(now.Sub(b.at))
	if earned == 0 {
		return // keep the remainder of time until it is worth a byte
	}
	b.tokens = min(b.tokens+earned, b.burst)
	b.at = now
}

// Allows reports whether something may be taken at now.
func (b *Bucket) Allows(now unit.Time) bool {
	switch b.rate {
	case 0:
		return false
	case unit.Unlimited:
		return true
	}
	b.refill(now)
	return b.tokens > 0
}

// Take takes n bytes, into debt if need be.
func (b *Bucket) Take(now unit.Time, n unit.Bytes) {
	if b.rate != unit.Unlimited {
		b.refill(now)
		b.tokens -= n
	}
}

// Return gives back n bytes that were taken for what is not moved after all.
func (b *Bucket) Return(n unit.Bytes) {
	if b.rate != unit.Unlimited {
		b.tokens = min(b.tokens+n, b.burst)
	}
}

// ReadyAt returns when Allows will be true: now at the earliest, Never at rate
// zero.
func (b *Bucket) ReadyAt(now unit.Time) unit.Time {
	if b.rate == 0 {
		return unit.Never
	}
	if b.Allows(now) {
		return now
	}
	return now.Add((1 - b.tokens).Over(b.rate))
}
