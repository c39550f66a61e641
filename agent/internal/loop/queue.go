package loop

import (
	"context"
	"sync"
)

// queue hands values from senders that must not wait to one receiver, in
// order.
type queue[T any] struct {
	mu     sync.Mutex
	items  []T
	closed bool
	ready  chan struct{} // holds a token while there may be something to take
}

func newQueue[T any]() *queue[T] { return &queue[T]{ready: make(chan struct{}, 1)} }

func (q *queue[T]) put(v T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.items = append(q.items, v)
		q.wake()
	}
}

// merge is put, in the place of a waiting value that v makes superfluous. It looks
// from the newest on, and no further than one that must stay before v.
func (q *queue[T]) merge(v T, relation func(old T) (same, before bool)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	for i := len(q.items) - 1; i >= 0; i-- {
		same, before := relation(q.items[i])
		if same {
			q.items[i] = v
			return
		}
		if before {
			break
		}
	}
	q.items = append(q.items, v)
	q.wake()
}

// close lets take return false once everything is taken.
func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
}

func (q *queue[T]) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for the next value; false when the queue was closed and is empty,
// or ctx ended.
func (q *queue[T]) take(ctx context.Context) (v T, ok bool) {
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			v = q.items[0]
			q.items = q.items[1:]
			q.mu.Unlock()
			return v, true
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return v, false
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return v, false
		}
	}
}
