package store

import (
	"context"
	"sync"
)

// outbox holds events until the receiver takes them, at most one per key: a
// newer one replaces the older in its place. So a slow receiver neither blocks
// the connection nor makes memory grow beyond the number of keys.
type outbox struct {
	wake chan struct{} // has room for one

	mu      sync.Mutex
	order   []any           // keys, oldest first; some may have been dropped
	pending map[any]*letter // by key
}

type letter struct {
	key   any
	event Event
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), pending: map[any]*letter{}}
}

func (o *outbox) put(key any, ev Event) {
	o.mu.Lock()
	if _, queued := o.pending[key]; !queued {
		o.order = append(o.order, key)
	}
	o.pending[key] = &letter{key, ev}
	o.mu.Unlock()
	kick(o.wake)
}

// drop forgets the event of key, if it has not been taken.
func (o *outbox) drop(key any) {
	o.mu.Lock()
	if _, queued := o.pending[key]; queued {
		delete(o.pending, key)
		for i := range o.order {
			if o.order[i] == key {
				o.order = append(o.order[:i], o.order[i+1:]...)
				break
			}
		}
	}
	o.mu.Unlock()
	kick(o.wake)
}

// clear forgets all events.
func (o *outbox) clear() {
	o.mu.Lock()
	o.order = nil
	clear(o.pending)
	o.mu.Unlock()
	kick(o.wake)
}

// deliver sends to out until ctx ends, and closes it then.
func (o *outbox) deliver(ctx context.Context, out chan<- Event) {
	defer close(out)
	for {
		l := o.head()
		target, event := out, Event(nil)
		if l == nil {
			target = nil
		} else {
			event = l.event
		}
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		case target <- event:
			o.taken(l)
		}
	}
}

func (o *outbox) head() *letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.order) == 0 {
		return nil
	}
	return o.pending[o.order[0]]
}

// taken removes l unless a newer event has replaced it meanwhile. That one
// keeps the place.
func (o *outbox) taken(l *letter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pending[l.key] == l {
		delete(o.pending, l.key)
		o.order = o.order[1:]
	}
}

// kick wakes a goroutine that waits for c, or that will.
func kick(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
