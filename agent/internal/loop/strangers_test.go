package loop

import (
	"context"
	"io"
	"sync"
	"testing"

	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/artifact"
)

// A node that opens connections about artifacts that nobody has holds few of
// them open, and others are let in meanwhile.
func TestStrangersAreBounded(t *testing.T) {
	n := newNodes(t, 6)
	p := n.start("p", rack)
	p.join(n.full(), false)
	tr := n.rogue("rogue")
	var mu sync.Mutex
	var conns []*transport.Conn
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close(io.EOF)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	defer flood.Wait()
	defer cancel()
	for i := range 8 {
		flood.Go(func() {
			for k := byte(0); ctx.Err() == nil && k < 20; k++ {
				c, err := tr.Dial(ctx, p.cfg.Machine.Addr, "p", artifact.Digest{byte(i), k})
				if err == nil {
					mu.Lock()
					conns = append(conns, c)
					mu.Unlock()
				}
			}
		})
	}
	n.eventually("some wait", func() (some bool) {
		p.touch(func(*transfer) { some = len(p.waiting) == maxStrangersOfNode })
		return some
	})
	c := n.empty()
	n.start("q", rack).join(c, false)
	n.eventually("another node gets everything", func() bool { return c.is(n.data) })
	p.touch(func(*transfer) {
		if len(p.waiting) > maxStrangersOfNode {
			t.Errorf("%d connections of one node wait", len(p.waiting))
		}
	})
}
