package transport

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// fixed is a way on which the guards have nothing to decide.
func fixed(rate unit.Rate) Ways {
	return func(unit.NodeID) (Way, bool) {
		return Way{Link: topo.Hop{Location: "a", Up: true}, Guard: bandwidth.GuardConfig{Floor: rate, Ceiling: rate, Start: rate}}, true
	}
}

// option reads an option of a connection's socket.
func option(t testing.TB, c *Conn, level, name int) (value int) {
	t.Helper()
	err := c.socket.control(func(fd int) (err error) {
		value, err = unix.GetsockoptInt(fd, level, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func pacing(t testing.TB, c *Conn) unit.Rate {
	t.Helper()
	return unit.Rate(uint32(option(t, c, unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE)))
}

// await polls until it is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// The kernel has the pace when the first block goes, is told a new one, and none
// when nothing is to be guarded any more.
func TestKernelIsToldThePace(t *testing.T) {
	a, b := loopback(t, true)
	j := newJournal()
	run(a, newJournal())
	run(b, j)
	if got := pacing(t, a); got != unpaced {
		t.Fatalf("paced at %d without a way", got)
	}
	a.pacer.setWays(fixed(5e6))
	a.SendSpan(1, 0, 10, filled('x'))
	j.await(t, 1)
	first := pacing(t, a)
	if p, ok := a.Pace(); first != 5e6 || !ok || p.Rate != 5e6 {
		t.Errorf("the kernel was told %d, others %+v, %v", first, p, ok)
	}
	if got := option(t, a, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); got != notSentLowat {
		t.Errorf("the kernel may hold %d bytes", got)
	}
	if _, ok := b.Pace(); ok || pacing(t, b) != unpaced {
		t.Error("who sends no block has a pace")
	}
	a.pacer.setWays(fixed(50e3))
	await(t, "the kernel is told the new pace", func() bool { return pacing(t, a) == 50e3 })
	if got := option(t, a, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); got != int(leastUnsent) {
		t.Errorf("at a low pace the kernel may hold %d bytes", got)
	}
	a.pacer.setWays(fixed(0))
	await(t, "who may send nothing has a pace for control", func() bool { return pacing(t, a) == controlPace })
	a.pacer.setWays(nil)
	await(t, "the kernel is told that there is none", func() bool { return pacing(t, a) == unpaced })
	if _, ok := a.Pace(); ok {
		t.Error("there is a pace without a way")
	}
}

// Connections over one link share what it has; one over another link has its own.
func TestConnectionsShareALink(t *testing.T) {
	from := listen(t, "n1", nil)
	links := map[unit.NodeID]unit.Location{"n2": "a", "n3": "a", "n4": "b"}
	from.SetWays(func(peer unit.NodeID) (Way, bool) {
		return Way{Link: topo.Hop{Location: links[peer]}, Guard: bandwidth.GuardConfig{Floor: 6e6, Ceiling: 6e6}}, true
	})
	var conns []*Conn
	for _, peer := range []unit.NodeID{"n2", "n3", "n4"} {
		a, b := connect(t, from, listen(t, peer, nil))
		j := newJournal()
		run(a, newJournal())
		run(b, j)
		a.SendSpan(1, 0, 10, filled('x'))
		j.await(t, 1)
		conns = append(conns, a)
	}
	from.pacer.mu.Lock()
	defer from.pacer.mu.Unlock()
	for i, want := range []int{2, 2, 1} {
		if got := conns[i].paced.guard; got == nil || from.pacer.sending[conns[i]] == nil {
			t.Fatalf("connection to %s is not guarded", conns[i].Peer())
		} else if n := got.Connections(); n != want {
			t.Errorf("the connection to %s is one of %d", conns[i].Peer(), n)
		}
	}
}

// A connection may be faster than its part of the ceiling's link, but not than the link's
// budget.
func TestPaceOfAConnectionIsWithinTheBudget(t *testing.T) {
	for connections, want := range map[int]unit.Rate{0: 10e6, 1: 10e6, 2: 7.5e6, 3: 5e6} {
		w := Way{Guard: bandwidth.GuardConfig{Ceiling: 15e6, Start: 15e6, Budget: 10e6}}
		if w.share(connections); w.Guard.Ceiling != want || w.Guard.Start != want {
			t.Errorf("each of %d connections: %+v, want %d", connections, w.Guard, want)
		}
	}
}

// A connection that sends nothing is left alone, and the goroutine ends; with the
// next block both are back.
func TestIdleConnectionsAreLeftAlone(t *testing.T) {
	a, b := loopback(t, false)
	j := newJournal()
	run(a, newJournal())
	run(b, j)
	a.pacer.setWays(fixed(5e6))
	for n := range 2 {
		a.SendSpan(1, 0, 10, filled('x'))
		j.await(t, n+1)
		if !a.watched.Load() {
			t.Fatal("a connection that sends is not watched")
		}
		a.pacer.round(time.Now().Add(time.Second), false) // what was sent has arrived
		await(t, "it is left alone", func() bool { return !a.pacer.round(time.Now().Add(2*restAfter), true) })
		if a.watched.Load() {
			t.Error("it counts as being watched")
		}
		a.pacer.work.Wait()
	}
}

// A connection whose kernel says nothing is not guarded, is not asked again, and
// that is logged once.
func TestKernelThatSaysNothing(t *testing.T) {
	log, lines := logLines()
	a, _ := connect(t, listenLogging(t, "n1", nil, log), listen(t, "n2", nil))
	a.pacer.setWays(fixed(5e6))
	a.raw.Close()
	for range 2 {
		a.pacer.enter(a)
	}
	if line := awaitLine(t, lines, "not guarded"); !strings.Contains(line, "peer=n2") {
		t.Error(line)
	}
	if _, ok := a.Pace(); ok || !a.watched.Load() || len(a.pacer.sending) > 0 || len(lines) > 0 {
		t.Errorf("it has a pace: %v, may be asked again: %v, more is logged: %d", ok, !a.watched.Load(), len(lines))
	}
}

// Without TCP there is no pace, and blocks go all the same.
func TestConnectionWithoutTCPHasNoPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		a.pacer.setWays(fixed(1))
		j := newJournal()
		ended := []<-chan error{run(a, newJournal()), run(b, j)}
		a.SendSpan(1, 0, 100_000, filled('x'))
		want := kept{wire.SpanData{Span: 1, Length: 100_000}, strings.Repeat("x", 100_000)}
		if got := j.await(t, 1)[0]; got != want {
			t.Errorf("got %.60v", got)
		}
		if _, ok := a.Pace(); ok {
			t.Error("there is a pace")
		}
		a.Close(nil)
		for _, e := range ended {
			<-e
		}
	})
}

// What is sent in parts arrives whole, with TLS and without.
func TestPacedBlocksArriveWhole(t *testing.T) {
	for _, secure := range []bool{false, true} {
		a, b := loopback(t, secure)
		a.pacer.setWays(fixed(4e6))
		j := newJournal()
		run(a, newJournal())
		run(b, j)
		data := bytes.Repeat([]byte("0123456789abc"), 300_000/13)
		for range 2 {
			a.SendSpan(1, 0, uint32(len(data)), func(b []byte) error { copy(b, data); return nil })
		}
		for i, got := range j.await(t, 2) {
			if k, ok := got.(kept); !ok || k.data != string(data) {
				t.Errorf("TLS %v: block %d is another: %.60v", secure, i, got)
			}
		}
	}
}

// A write that ends within a part is that of a connection that ended.
func TestPacedWriteToAPeerThatIsGone(t *testing.T) {
	a, b := loopback(t, false)
	if err := a.socket.setPace(1e6); err != nil {
		t.Fatal(err)
	}
	b.raw.Close()
	for end := time.Now().Add(time.Minute); ; {
		_, err := a.socket.Write(make([]byte, 10_000))
		if err != nil {
			if !strings.Contains(err.Error(), "write tcp") {
				t.Errorf("ended by %v", err)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal("writes go on for a minute")
		}
	}
}

// A slow pace is no peer that takes nothing.
func TestDeadlineOfAPacedWrite(t *testing.T) {
	a, _ := loopback(t, false)
	if d := a.paceOf(writeChunk); d != 0 {
		t.Errorf("without a pace %s", d)
	}
	a.pace.Store(&Pace{Rate: 1e9, Least: 1000})
	if d := a.paceOf(writeChunk); d < writeChunk/1000*time.Second {
		t.Errorf("%d bytes at 1000 a second within %s", writeChunk, d)
	}
}

// A pace that sinks while a write is under way, as the budget of a link sinks, gives
// the peer more time for that write; a peer that takes nothing is noticed all the same.
func TestDeadlineOfAWriteWhosePaceSinks(t *testing.T) {
	const size, least = 100_000, 2000 // which takes 50 s
	for name, c := range map[string]struct {
		takes time.Duration // the peer reads until then
		ends  string
	}{
		"the peer takes it":                 {time.Hour, ""},
		"the peer takes no more after 20 s": {20 * time.Second, "took nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := piped(t)
				began, ended := time.Now(), make(chan error, 1)
				a.setPace(&Pace{Rate: 1e9, Least: 1e9})
				go func() { ended <- a.writeAll(make([]byte, size)) }()
				var reading sync.WaitGroup
				defer reading.Wait()
				reading.Go(func() {
					for buf := make([]byte, least/10); time.Since(began) < c.takes; time.Sleep(100 * time.Millisecond) {
						if _, err := b.nc.Read(buf); err != nil {
							return
						}
					}
				})
				time.Sleep(10 * time.Second)
				a.setPace(&Pace{Rate: least, Least: least})
				a.setPace(nil) // which leaves it the time that it has
				err := <-ended
				if c.ends == "" && err != nil || c.ends != "" && (err == nil || !strings.Contains(err.Error(), c.ends)) {
					t.Errorf("after %v it ends by %v", time.Since(began), err)
				}
				if most := writeTimeout + size/least*time.Second; time.Since(began) > most {
					t.Errorf("it ends after %v, not %v", time.Since(began), most)
				}
				a.Close(nil)
				b.Close(nil)
			})
		})
	}
}

func TestParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, burst := rapid.IntRange(1, 1<<20).Draw(t, "all"), rapid.Int64Range(0, 1<<17).Draw(t, "burst")
		n := part(all, burst)
		if n < 1 || n > all || burst > 0 && int64(n) > burst || burst == 0 && n != all {
			t.Fatalf("a part of %d", n)
		}
	})
	for rate, want := range map[unit.Rate]int64{1: leastBurst, 1e6: leastBurst, 10e6: 10_000, 100e6: 0, unit.Unlimited: 0} {
		if got := burstAt(rate); got != want {
			t.Errorf("at %s %d go at once, not %d", rate, got, want)
		}
	}
}

// BenchmarkPacerRound is what it costs to sample a connection once, which happens 50
// times a second while it sends.
func BenchmarkPacerRound(b *testing.B) {
	const connections = 100
	from, to := listen(b, "n1", nil), listen(b, "n2", nil)
	from.SetWays(fixed(5e6))
	for range connections {
		a, c := connect(b, from, to)
		j := newJournal()
		run(a, newJournal())
		run(c, j)
		a.SendSpan(1, 0, 10, filled('x'))
		j.await(b, 1)
	}
	round := 0
	for b.Loop() {
		from.pacer.round(time.Now(), round%askEvery == 0)
		round++
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/connections, "ns/connection")
}
