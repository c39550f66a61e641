package links

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// hungStore accepts connections, and never answers. It counts what it is sent.
type hungStore struct {
	addr string
	sent atomic.Int32
}

func newHungStore(t *testing.T) *hungStore {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hungStore{addr: l.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { h.serve(c) })
		}
	})
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { l.Close() })
	return h
}

// serve reads until the client hangs up.
func (h *hungStore) serve(c net.Conn) {
	defer c.Close()
	for buf := make([]byte, 64<<10); ; {
		if _, err := c.Read(buf); err != nil {
			return
		}
		h.sent.Add(1)
	}
}

// TestAHungStoreIsLeft: a manager that ends does not wait for a store that accepts
// connections and never answers, nor asks it anything more: of each of its parts one
// thing at most is under way then.
func TestAHungStoreIsLeft(t *testing.T) {
	t.Parallel()
	h := newHungStore(t)
	s, err := store.Open(t.Context(), store.Config{URL: "redis://" + h.addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m := newManager(s, "n", &mover{}, func(c *Config) {
		c.Links = map[unit.Location]Link{"ams/r1": {Up: mbit, Down: mbit}}
		c.Sources = []Source{{Name: "device x", Links: []unit.Location{"ams/r1"}, Run: func(ctx context.Context, _ Asking) { <-ctx.Done() }}}
	})
	before := h.sent.Load() // when it was opened
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	eventually(t, "both parts", func() bool { return h.sent.Load() >= before+2 })
	cancel()
	running.Wait()
	if n := h.sent.Load() - before; n > 2 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestTheFirstBudgets are those of a link that is declared, before anything is asked of
// a store that may never answer.
func TestTheFirstBudgets(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Config{URL: "redis://" + newHungStore(t).addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	swarm := &mover{}
	newManager(s, "n", swarm, func(c *Config) { c.Links = map[unit.Location]Link{"ams/r1": {Up: 100 * mbit, Down: 100 * mbit}} })
	wantFloor(t, "down", swarm.budget(1), 100*mbit)
	wantFloor(t, "up", swarm.up[1], 100*mbit)
}
