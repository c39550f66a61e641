package transport

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// notSentLowat is the most, in bytes, that the kernel takes beyond what it has
	// sent.
	notSentLowat = 128 << 10
	// leastUnsent is the least: it is to have something to send when the writer comes
	// back.
	leastUnsent = 4 * leastBurst
	// drainedFor is for how long it may have data at the rate at which the connection
	// takes it, and unsentFor at a pace.
	drainedFor = 20 * time.Millisecond
	unsentFor  = 50 * time.Millisecond
	// A rate is what was written in drainTime, or in less if that is drainBytes.
	drainTime  = 50 * time.Millisecond
	drainBytes = 1 << 20
)

// unsent is how much a kernel takes of a connection beyond what it has sent: what a
// control message waits behind (requirement 18), and also the peer's answer if that
// message is a request. On a slow link it is less: 128 KiB are 130 ms of 8 Mbit/s. It
// is safe for concurrent use.
type unsent struct {
	mu      sync.Mutex
	bytes   int64         // written since the rate was taken
	busy    time.Duration // of that, until the kernel had taken it
	drained unit.Bytes    // what the rate allows; 0: not known
	paced   unit.Bytes    // what the pace allows; 0: there is none
	set     unit.Bytes    // what the kernel was told; 0: notSentLowat
}

// wrote takes a write into account: how much the kernel took, and how long it had the
// writer wait. It returns what the kernel is to be told, 0 for nothing new.
func (u *unsent) wrote(n int, took time.Duration) unit.Bytes {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bytes += int64(n)
	u.busy += took
	if u.busy < drainTime && u.bytes < drainBytes {
		return 0
	}
	rate := unit.Rate(float64(u.bytes) / max(u.busy, 1).Seconds())
	u.drained = min(max(rate.In(drainedFor), leastUnsent), notSentLowat)
	u.bytes, u.busy = 0, 0
	return u.news()
}

// pacedAt takes a pace into account, unit.Unlimited for none, and returns what the
// kernel is to be told.
func (u *unsent) pacedAt(rate unit.Rate) unit.Bytes {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.paced = min(max(rate.In(unsentFor), leastUnsent), notSentLowat)
	return u.news()
}

// news is what the kernel is to be told, if that differs by more than a little from
// what it was told last; else 0.
func (u *unsent) news() unit.Bytes {
	allowed, set := unit.Bytes(notSentLowat), u.set
	for _, most := range []unit.Bytes{u.drained, u.paced} {
		if most > 0 {
			allowed = min(allowed, most)
		}
	}
	if set == 0 {
		set = notSentLowat
	}
	if d := allowed - set; d == 0 || allowed != notSentLowat && allowed != leastUnsent && max(d, -d) < set/8 {
		return 0
	}
	u.set = allowed
	return allowed
}

// tellUnsent tells the kernel how much it may take; 0 is nothing new.
func (s *socket) tellUnsent(most unit.Bytes) error {
	if most == 0 {
		return nil
	}
	return s.setOption(unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, int(most))
}
