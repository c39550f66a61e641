package reconcile

import "sync"

// mailbox is a queue without bound between goroutines. Putting never blocks, so
// that the loop and its workers cannot wait for each other.
type mailbox[T any] struct {
	mu    sync.Mutex
	items []T
	// ready holds a token while there may be items.
	ready chan struct{}
}

func newMailbox[T any]() *mailbox[T] {
	return &mailbox[T]{ready: make(chan struct{}, 1)}
}

func (m *mailbox[T]) put(v T) {
	m.mu.Lock()
	m.items = append(m.items, v)
	m.mu.Unlock()
	m.wake()
}

func (m *mailbox[T]) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take returns everything that was put, in order, and empties the box.
func (m *mailbox[T]) take() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}
