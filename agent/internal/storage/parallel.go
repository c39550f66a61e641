package storage

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// parallel calls fn for the numbers from 0 to n-1, in order of their start, on
// as many goroutines as there are cores, until one fails or ctx ends. worker
// numbers the goroutine.
func parallel(ctx context.Context, n int, fn func(ctx context.Context, worker, i int) error) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for worker := range min(n, runtime.GOMAXPROCS(0)) {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := fn(ctx, worker, i); err != nil {
					return err
				}
			}
		})
	}
	if n == 0 {
		return ctx.Err()
	}
	return group.Wait()
}

// buffers are one for each worker of parallel, made when it is first needed.
type buffers [][]byte

func newBuffers() buffers { return make(buffers, runtime.GOMAXPROCS(0)) }

// get returns n bytes for a worker, which overwrite what it got before.
func (b buffers) get(worker, n int) []byte {
	if cap(b[worker]) < n {
		b[worker] = make([]byte, n)
	}
	return b[worker][:n]
}

// meter reports progress in bytes, one call at a time. A nil meter is silent.
type meter struct {
	mu          sync.Mutex
	report      func(done, total int64)
	done, total int64
}

// newMeter returns nil if there is nobody to report to.
func newMeter(report func(done, total int64)) *meter {
	if report == nil {
		return nil
	}
	return &meter{report: report}
}

// begin starts over with a new total.
func (m *meter) begin(total int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done, m.total = 0, total
	m.report(0, total)
}

func (m *meter) add(n int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	m.report(m.done, m.total)
}
