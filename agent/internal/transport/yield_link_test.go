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
// link of its own that has room for no more. TCP alone gives all of them the same. A host
// beside it does so at the same time and knows of no uplink, so that nobody makes room:
// whatever the machine does meanwhile, it does to both.
func TestWhoLeavesTheLocationGoesFirst(t *testing.T) {
	yields, alike := newFullLink(t, 1), newFullLink(t, 0)
	err := wait.Until(t.Context(), 5*time.Minute, "both hosts have sent all", func() error {
		if yields.open() || alike.open() {
			return fmt.Errorf("%d and %d of %d bytes have arrived", yields.all.Load(), alike.all.Load(), wholeTransfer)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	first, equal := yields.outside(), alike.outside()
	t.Logf("%.3f of all leaves the location, and %.3f where nobody makes room", first, equal)
	if first < 1.5*equal {
		t.Errorf("%.3f of all leaves the location, and %.3f where nobody makes room", first, equal)
	}
}

// wholeTransfer is what a host sends in all, in bytes: some eight seconds' worth.
const wholeTransfer = 48 << 20

// fullLink counts what crosses a host's own link until the whole transfer has arrived.
type fullLink struct {
	all, far atomic.Int64 // bytes that have arrived
}

// newFullLink has a host send to three neighbours and to one that is as many uplinks
// away, as much as its own link takes. The queue there has room for what the kernel hands
// to an interface of four connections, as that of a network card: a shorter one would
// lose packets, and the connections would wait for their windows instead of their turns.
func newFullLink(t *testing.T, uplinks int) *fullLink {
	l, x := &fullLink{}, &crossing{link: newShapedLink(t, 100*mbit)}
	x.link.from.run(t, "tc", "qdisc replace dev eth0 root tbf rate 50mbit burst 16kb latency 100ms")
	var from, near, far *Transport
	x.link.from.do(t, func() error { from = listenOn(t, "n1", "10.77.0.1:0"); return nil })
	x.link.to.do(t, func() error {
		far, near = listenOn(t, "n2", "10.77.0.2:0"), listenOn(t, "n3", "10.77.0.2:0")
		return nil
	})
	from.SetWays(func(peer unit.NodeID) (Way, bool) {
		if peer == "n2" {
			return Way{Uplinks: uplinks}, false
		}
		return Way{}, false
	})
	begin := []func(){x.streamTo(t, from, far, "n2", func(n int64) { l.arrived(n, true) })}
	for range 3 {
		begin = append(begin, x.streamTo(t, from, near, "n3", func(n int64) { l.arrived(n, false) }))
	}
	// All are there before the link is full: who comes later is given less by TCP, as it
	// takes the queue for the way.
	for _, b := range begin {
		b()
	}
	return l
}

// arrived counts what has, as long as the transfer is not over.
func (l *fullLink) arrived(n int64, far bool) {
	if l.all.Add(n) <= wholeTransfer && far {
		l.far.Add(n)
	}
}

// open reports whether something is still to come.
func (l *fullLink) open() bool { return l.all.Load() < wholeTransfer }

// outside is the part of the transfer that left the location.
func (l *fullLink) outside() float64 { return float64(l.far.Load()) / wholeTransfer }
