package publisher

import (
	"context"
	"sync"
)

// keyed is a lock for each key. Its zero value is ready.
type keyed struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when the key is released
}

// lock waits for the key, and returns what releases it.
func (k *keyed) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		unlock, held := k.try(key)
		if held == nil {
			return unlock, nil
		}
		select {
		case <-held:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try takes the key if nobody holds it; otherwise it returns a channel that is
// closed when the key is released.
func (k *keyed) try(key string) (unlock func(), held <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.held[key]; c != nil {
		return nil, c
	}
	if k.held == nil {
		k.held = map[string]chan struct{}{}
	}
	c := make(chan struct{})
	k.held[key] = c
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.held, key)
		close(c)
	}, nil
}
