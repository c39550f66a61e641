package transport

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/wait"
	"github.com/rackswarm/rackswarm/core/unit"
)

// A host gives to three neighbours and to somebody behind its rack's uplink, over a
// link of its own that has room for no more: TCP alone gives all of them the same.
func TestWhoLeavesTheLocationGoesFirst(t *testing.T) {
	x := &crossing{link: newShapedLink(t, 100*mbit)}
	x.link.from.run(t, "tc", "qdisc replace dev eth0 root tbf rate 20mbit burst 8kb latency 50ms")
	var from, near, far *Transport
	x.link.from.do(t, func() error { from = listenOn(t, "n1", "10.77.0.1:0"); return nil })
	x.link.to.do(t, func() error {
		far, near = listenOn(t, "n2", "10.77.0.2:0"), listenOn(t, "n3", "10.77.0.2:0")
		return nil
	})
	from.SetWays(func(peer unit.NodeID) (Way, bool) {
		if peer == "n2" {
			return Way{Uplinks: 1}, false
		}
		return Way{}, false
	})
	var inside, outside atomic.Int64
	for range 3 {
		x.streamTo(t, from, near, "n3", &inside)
	}
	x.streamTo(t, from, far, "n2", &outside)
	err := wait.Until(t.Context(), time.Minute, "twice as much leaves the location as each neighbour gets", func() error {
		in, out := inside.Load(), outside.Load()
		time.Sleep(2 * time.Second)
		in, out = (inside.Load()-in)/3, outside.Load()-out
		if out < 2*in {
			return fmt.Errorf("in two seconds %d bytes leave it, and each neighbour gets %d", out, in)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
