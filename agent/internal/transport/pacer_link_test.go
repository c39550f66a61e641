package transport

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const mbit unit.Rate = 1e6 / 8

// crossing is what happens on a shaped link: blocks by TCP, a site's traffic by UDP
// that can be changed, and probes that tell how long the link's queue is.
type crossing struct {
	link  *shapedLink
	moved atomic.Int64 // bytes of blocks that arrived
	site  atomic.Int64 // bytes per second of the site's traffic
	lost  func() (sent, arrived int64)

	mu     sync.Mutex
	probes []probe
}

type probe struct{ at, took time.Duration }

// cross starts it all. The guards know the link; a budget of 0 is no guard.
func cross(t testing.TB, rate unit.Rate, connections int, budget unit.Rate) *crossing {
	x := &crossing{link: newShapedLink(t, rate)}
	var from, to *Transport
	x.link.from.do(t, func() error { from = listenOn(t, "n1", "10.77.0.1:0"); return nil })
	x.link.to.do(t, func() error { to = listenOn(t, "n2", "10.77.0.2:0"); return nil })
	if budget > 0 {
		from.SetWays(func(unit.NodeID) (Way, bool) {
			return Way{Link: topo.Hop{Location: "b", Up: true}, Guard: bandwidth.GuardConfig{
				Floor: bandwidth.FloorOf(rate), Ceiling: budget, Link: rate}}, true
		})
	}
	for range connections {
		x.stream(t, from, to)
	}
	x.probe(t)
	x.traffic(t)
	return x
}

func listenOn(t testing.TB, self unit.NodeID, address string) *Transport {
	tr, err := Listen(Config{Self: self, Listen: address})
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// stream sends blocks to n2 for ever.
func (x *crossing) stream(t testing.TB, from, to *Transport) {
	x.streamTo(t, from, to, "n2", func(n int64) { x.moved.Add(n) })()
}

// streamTo makes a connection. From begin on blocks are sent over it for ever, some ahead,
// and of each that arrived it is told how many bytes it had.
func (x *crossing) streamTo(t testing.TB, from, to *Transport, peer unit.NodeID, arrived func(int64)) (begin func()) {
	accepted := make(chan *Conn, 1)
	go func() {
		c, _ := to.Accept(t.Context())
		accepted <- c
	}()
	var a *Conn
	x.link.from.do(t, func() (err error) {
		a, err = from.Dial(t.Context(), to.Addr().String(), peer, someDigest)
		return err
	})
	b := <-accepted
	t.Cleanup(func() { a.Close(nil); b.Close(nil) })
	// The guard has to hold without a congestion control that keeps queues short.
	setCongestion(t, a, congestion)
	const size, ahead = 64 << 10, 4
	send := func() { a.SendSpan(1, 0, size, func([]byte) error { return nil }) }
	run(a, newJournal())
	buf := make([]byte, size)
	run(b, sink{
		block: func(uint32) []byte { return buf },
		done:  func(bool) { arrived(size); send() },
	})
	return func() {
		for range ahead {
			send()
		}
	}
}

// probe sends small packets to an echo every few milliseconds.
func (x *crossing) probe(t testing.TB) {
	in, out := x.udp(t, 7)
	begin := time.Now()
	go func() {
		b := make([]byte, 100)
		for {
			n, whom, err := in.ReadFromUDP(b)
			if err != nil {
				return
			}
			in.WriteToUDP(b[:n], whom)
		}
	}()
	go every(t, 5*time.Millisecond, func() {
		out.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Since(begin))))
	})
	go func() {
		b := make([]byte, 100)
		for {
			if _, err := out.Read(b); err != nil {
				return
			}
			now, sent := time.Since(begin), time.Duration(binary.BigEndian.Uint64(b))
			x.mu.Lock()
			x.probes = append(x.probes, probe{sent, now - sent})
			x.mu.Unlock()
		}
	}()
}

// traffic is the site's: full packets at its rate, some at a time.
func (x *crossing) traffic(t testing.TB) {
	const payload, wireSize = 1472, 1514
	in, out := x.udp(t, 9)
	var sent, arrived atomic.Int64
	x.lost = func() (int64, int64) { return sent.Load(), arrived.Load() }
	go func() {
		b := make([]byte, 2000)
		for {
			if _, err := in.Read(b); err != nil {
				return
			}
			arrived.Add(1)
		}
	}()
	last, owed := time.Now(), 0.
	packet := make([]byte, payload)
	go every(t, time.Millisecond, func() {
		now := time.Now()
		rate := float64(x.site.Load())
		owed = min(owed+now.Sub(last).Seconds()*rate, 4*wireSize+rate/500)
		for last = now; owed >= wireSize; owed -= wireSize {
			out.Write(packet)
			sent.Add(1)
		}
	})
}

func every(t testing.TB, d time.Duration, f func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-t.Context().Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// udp is a pair of sockets at both ends of the link.
func (x *crossing) udp(t testing.TB, port int) (in, out *net.UDPConn) {
	at := &net.UDPAddr{IP: x.link.toAddress, Port: port}
	x.link.to.do(t, func() (err error) { in, err = net.ListenUDP("udp4", at); return err })
	x.link.from.do(t, func() (err error) { out, err = net.DialUDP("udp4", nil, at); return err })
	t.Cleanup(func() { in.Close(); out.Close() })
	return in, out
}

// watch lets it run for a while, and tells the probes' times of it, in order of
// their length, and the rate at which blocks arrived.
func (x *crossing) watch(d time.Duration) (probes []time.Duration, rate unit.Rate) {
	x.mu.Lock()
	first := len(x.probes)
	x.mu.Unlock()
	before, begin := x.moved.Load(), time.Now()
	time.Sleep(d)
	moved, took := x.moved.Load()-before, time.Since(begin)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range x.probes[first:] {
		probes = append(probes, p.took)
	}
	slices.Sort(probes)
	return probes, unit.Rate(float64(moved) / took.Seconds())
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// BenchmarkGuard tells the probes' times on a link in milliseconds, and what of it
// blocks use, beside a site that uses a part of it. A budget is what an idle link
// leaves, which stays so: nobody tells of the site.
func BenchmarkGuard(b *testing.B) {
	for _, rate := range []unit.Rate{10, 100} {
		for _, connections := range []int{0, 1, 4, 16} {
			for _, mode := range []struct {
				name   string
				budget unit.Rate
			}{{"none", 0}, {"guard", unit.Unlimited}, {"budget", rate * mbit * 3 / 4}} {
				if connections == 0 && mode.budget > 0 {
					continue
				}
				b.Run(fmt.Sprintf("%d-Mbit/%d/%s", rate, connections, mode.name), func(b *testing.B) {
					benchmarkGuard(b, rate*mbit, connections, mode.budget)
				})
			}
		}
	}
}

func benchmarkGuard(b *testing.B, rate unit.Rate, connections int, budget unit.Rate) {
	for b.Loop() {
		x := cross(b, rate, connections, budget)
		for _, site := range []float64{0, .6, .95, .2} {
			x.site.Store(int64(site * float64(rate)))
			step, _ := x.watch(1500 * time.Millisecond)
			probes, moved := x.watch(5 * time.Second)
			name := fmt.Sprintf("%.0f%%", site*100)
			b.ReportMetric(quantile(step, .99).Seconds()*1e3, name+"-step-p99-ms")
			b.ReportMetric(quantile(probes, .5).Seconds()*1e3, name+"-p50-ms")
			b.ReportMetric(quantile(probes, .99).Seconds()*1e3, name+"-p99-ms")
			b.ReportMetric(float64(moved)/float64(rate)/(1-site), name+"-of-spare")
		}
		sent, arrived := x.lost()
		b.ReportMetric(float64(sent-arrived)/float64(max(sent, 1)), "site-lost")
		b.ReportMetric(0, "ns/op")
	}
}

// congestion is the congestion control of the connections.
var congestion = cmp.Or(os.Getenv("CC"), "cubic")

// setCongestion has a connection use a congestion control, or skips the test.
func setCongestion(t testing.TB, c *Conn, name string) {
	t.Helper()
	err := c.socket.control(func(fd int) error { return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name) })
	if err != nil {
		t.Skipf("this needs the congestion control %s: %v", name, err)
	}
}

// Blocks fill the queue of a link without a guard; with one the queue stays short, the
// site's traffic loses next to nothing, and the blocks use most of what it leaves.
func TestGuardKeepsTheQueueShort(t *testing.T) {
	const rate = 10 * mbit
	tell := func(budget unit.Rate) (queue time.Duration, moved unit.Rate, lost float64) {
		x := cross(t, rate, 2, budget)
		x.site.Store(int64(rate) * 3 / 10)
		x.watch(2 * time.Second) // until the rates have settled
		probes, moved := x.watch(3 * time.Second)
		sent, arrived := x.lost()
		return quantile(probes, .5), moved, 1 - float64(arrived)/float64(sent)
	}
	queue, moved, lost := tell(0)
	if queue < queueOfLink/3 {
		t.Fatalf("without a guard packets wait %s, so that nothing is tested", queue)
	}
	t.Logf("without a guard packets wait %s, blocks go at %s, the site loses %.4f", queue, moved, lost)
	shorter, moved, lost := tell(unit.Unlimited)
	t.Logf("with one they wait %s, blocks go at %s, the site loses %.4f", shorter, moved, lost)
	if shorter > queue/3 || lost > .01 || moved < rate/4 {
		t.Errorf("with a guard packets wait %s, blocks go at %s, the site loses %.4f", shorter, moved, lost)
	}
}
