// Package quota counts what rackswarm holds on a node, against what it may hold.
package quota

import (
	"context"
	"fmt"
	"sync"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Budget is what a node holds, by what it is held for, and the limit. It counts
// the bytes of content, not the blocks of filesystems. A nil Budget has no limit.
// It is safe for concurrent use.
type Budget struct {
	limit int64

	mu   sync.Mutex
	held map[string]int64
	free func(context.Context) // deletes what nothing needs; nil for nothing
}

// New returns an empty budget of so many bytes; 0 is no limit.
func New(limit unit.Bytes) *Budget {
	return &Budget{limit: int64(limit), held: map[string]int64{}}
}

// OnFull makes Reserve call free before it fails.
func (b *Budget) OnFull(free func(context.Context)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = free
}

// Set notes that so many bytes are held for a purpose, whatever the limit is.
func (b *Budget) Set(purpose string, bytes int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(purpose, bytes)
}

func (b *Budget) set(purpose string, bytes int64) {
	if bytes <= 0 {
		delete(b.held, purpose)
	} else {
		b.held[purpose] = bytes
	}
}

// Reserve is Set for what is not held yet. If that is too much, even after what
// nothing needs is deleted, the error is an *api.Error with code quota about the
// subject, and what was noted for the purpose before stays.
func (b *Budget) Reserve(ctx context.Context, purpose, subject string, bytes int64) error {
	if b == nil {
		return nil
	}
	err := b.reserve(purpose, subject, bytes)
	b.mu.Lock()
	free := b.free
	b.mu.Unlock()
	if err == nil || free == nil {
		return err
	}
	free(ctx)
	return b.reserve(purpose, subject, bytes)
}

func (b *Budget) reserve(purpose, subject string, bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	others := b.used() - b.held[purpose]
	if b.limit > 0 && bytes > b.limit-others && bytes > b.held[purpose] {
		return &api.Error{Code: api.CodeQuota, Subject: subject,
			Message: fmt.Sprintf("it takes %s (%d bytes), and of the %s that storage.quota allows this node holds %s (%d bytes) already",
				unit.Bytes(bytes), bytes, unit.Bytes(b.limit), unit.Bytes(others), others),
			Fix: fmt.Sprintf("remove distributions or sources of %s from this node, or raise storage.quota in its configuration", unit.Bytes(bytes-(b.limit-others)))}
	}
	b.set(purpose, bytes)
	return nil
}

// Used is all that is held, in bytes.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used()
}

func (b *Budget) used() (sum int64) {
	for _, bytes := range b.held {
		sum += bytes
	}
	return sum
}

// Limit is what may be held, in bytes; 0 is any amount.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit
}
