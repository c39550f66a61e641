package foreign

import (
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// hashRate is how much content is hashed for clients, in bytes per second: a
	// request of a few bytes has up to 16 MiB read. Those that have the pieces'
	// hashes ask only after a piece was wrong.
	hashRate unit.Rate = 64 << 20
	// indexCost is what one file costs in the index, in bytes hashed.
	indexCost = 64
)

// Effort is what this node does for requests for hashes, of all clients together:
// one that connects anew gets nothing more. Who asks beyond that is rejected. It is
// safe for concurrent use.
type Effort struct {
	mu     sync.Mutex
	epoch  time.Time
	bucket *bandwidth.Bucket
}

// NewEffort returns an Effort that is fully there.
func NewEffort() *Effort {
	return &Effort{epoch: time.Now(), bucket: bandwidth.NewBucket(0, hashRate)}
}

// take spends so many bytes, if there is anything left.
func (e *Effort) take(bytes int64) bool {
	if e == nil {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := unit.Time(time.Since(e.epoch))
	if !e.bucket.Allows(now) {
		return false
	}
	e.bucket.Take(now, unit.Bytes(bytes))
	return true
}
