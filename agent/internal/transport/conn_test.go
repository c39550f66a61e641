package transport

import (
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/wire"
)

func TestMessagesAndBlocksGoBothWays(t *testing.T) {
	for _, secure := range []bool{false, true} {
		a, b := loopback(t, secure)
		ja, jb := newJournal(), newJournal()
		ja.message = func(c *Conn, m wire.Message) {
			if r, ok := m.(wire.SpanRequest); ok {
				c.SendSpan(r.Span, r.Begin, r.Length, filled('x'))
			}
		}
		ea, eb := run(a, ja), run(b, jb)
		a.Send(wire.SpanHave{Spans: []uint32{1, 2}})
		want := wire.SpanRequest{Span: 2, Begin: 5, Length: 300_000}
		b.Send(want)
		if got := ja.await(t, 1); !reflect.DeepEqual(got, []any{want}) {
			t.Errorf("TLS %v: a got %v", secure, got)
		}
		got := jb.await(t, 2)
		if !reflect.DeepEqual(got[0], wire.SpanHave{Spans: []uint32{1, 2}}) ||
			got[1] != (kept{wire.SpanData(want), strings.Repeat("x", 300_000)}) {
			t.Errorf("TLS %v: b got %.200v", secure, got)
		}
		over := errors.New("over")
		a.Close(over)
		a.Close(errors.New("again"))
		if err := reason(t, ea); !errors.Is(err, over) {
			t.Errorf("TLS %v: a ended by %v", secure, err)
		}
		if err := reason(t, eb); err == nil || !strings.Contains(err.Error(), "n1") {
			t.Errorf("TLS %v: b ended by %v", secure, err)
		}
	}
}

func TestSinkMayThrowABlockAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		j := newJournal()
		j.block = func(span, _, length uint32) []byte {
			if span == 1 {
				return nil
			}
			return make([]byte, length)
		}
		go a.Run(newJournal())
		go b.Run(j)
		a.SendSpan(1, 0, 50_000, filled('a'))
		a.SendSpan(2, 0, 3, filled('b'))
		got := j.await(t, 2)
		if !reflect.DeepEqual(got, []any{dropped{wire.SpanData{Span: 1, Length: 50_000}}, kept{wire.SpanData{Span: 2, Length: 3}, "bbb"}}) {
			t.Errorf("got %.200v", got)
		}
		a.Close(nil)
	})
}

func TestUnreadableBlockIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		j := newJournal()
		go a.Run(newJournal())
		go b.Run(j)
		a.SendSpan(1, 2, 3, func([]byte) error { return io.ErrUnexpectedEOF })
		a.SendSpan(4, 0, 2, filled('z'))
		got := j.await(t, 2)
		want := wire.SpanReject{Span: 1, Begin: 2, Length: 3, Reason: wire.ReasonReadFailed, RetryAfterMs: 1000}
		if got[0] != want || got[1] != (kept{wire.SpanData{Span: 4, Length: 2}, "zz"}) {
			t.Errorf("got %v", got)
		}
		b.Close(nil)
	})
}

// A control message overtakes every block that is not being written yet. Over a
// pipe nothing is buffered, so the order is exact.
func TestControlGoesAheadOfData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		go a.Run(newJournal())
		for i := range uint32(5) {
			a.SendSpan(i, 0, 1000, filled('d'))
		}
		synctest.Wait() // the writer is at the first block, which nobody reads
		a.Send(wire.Start{Spans: []uint32{7}})
		a.Send(wire.Choke{})
		j := newJournal()
		go b.Run(j)
		got := j.await(t, 7)
		for i, want := range []any{kept{}, wire.Start{}, wire.Choke{}, kept{}, kept{}, kept{}, kept{}} {
			if reflect.TypeOf(got[i]) != reflect.TypeOf(want) {
				t.Errorf("arrival %d is a %T, not a %T", i, got[i], want)
			}
		}
		b.Close(nil)
	})
}

// The same over TCP, where the kernel holds some data: the message arrives
// before any block that was not read from disk when it was sent.
func TestControlGoesAheadOfDataOverTCP(t *testing.T) {
	for _, secure := range []bool{false, true} {
		a, b := loopback(t, secure)
		ea := run(a, newJournal())
		const blocks = 32
		var loaded atomic.Int32
		stalled := make(chan struct{})
		for i := range uint32(blocks) {
			a.SendSpan(i, 0, 128<<10, func([]byte) error {
				if loaded.Add(1) == 1 {
					close(stalled)
				}
				return nil
			})
		}
		<-stalled
		a.Send(wire.Start{Spans: []uint32{7}})
		before := int(loaded.Load())
		j := newJournal()
		eb := run(b, j)
		position := -1
		for i, e := range j.await(t, blocks+1) {
			if _, ok := e.(wire.Start); ok {
				position = i
			}
		}
		if position < 0 || position > before || before == blocks {
			t.Errorf("TLS %v: the message arrived after %d of %d blocks, %d had been read from disk", secure, position, blocks, before)
		}
		a.Close(nil)
		reason(t, ea)
		reason(t, eb)
	}
}

// countedWrites counts calls of Write.
type countedWrites struct {
	net.Conn
	writes atomic.Int32
}

func (c *countedWrites) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestControlMessagesShareOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := net.Pipe()
		counted := &countedWrites{Conn: x}
		a, b := pipedOver(t, counted, y)
		go a.Run(newJournal())
		a.Send(wire.Interested{})
		synctest.Wait() // the writer is at the first message
		before := counted.writes.Load()
		for i := range uint32(100) {
			a.Send(wire.Have{Piece: i})
		}
		j := newJournal()
		go b.Run(j)
		j.await(t, 101)
		if n := counted.writes.Load() - before; n != 1 {
			t.Errorf("100 messages took %d writes", n)
		}
		b.Close(nil)
	})
}

func TestCancelRemovesAQueuedBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		go a.Run(newJournal())
		for i := range uint32(4) {
			a.SendSpan(i, 0, 100, filled('c'))
		}
		synctest.Wait() // the writer is at block 0
		a.CancelSpan(0, 0, 100)
		a.CancelSpan(2, 0, 100)
		a.CancelSpan(3, 0, 99) // no such block
		if s := a.Stats(); s.QueuedBlocks != 2 || s.QueuedBytes != 200 {
			t.Errorf("%d blocks of %d bytes are queued", s.QueuedBlocks, s.QueuedBytes)
		}
		a.Send(wire.Choke{})
		j := newJournal()
		go b.Run(j)
		var spans []uint32
		for _, e := range j.await(t, 4) {
			if k, ok := e.(kept); ok {
				spans = append(spans, k.Span)
			}
		}
		if !reflect.DeepEqual(spans, []uint32{0, 1, 3}) {
			t.Errorf("spans %v arrived", spans)
		}
		b.Close(nil)
	})
}

func TestQueuesAreBounded(t *testing.T) {
	for _, c := range []struct {
		name string
		fill func(a *Conn)
		want error
	}{
		{"control", func(a *Conn) {
			for range 50 {
				a.Send(wire.Bitfield{Bits: make([]byte, 100_000)})
			}
		}, errControlFull},
		{"uploads", func(a *Conn) {
			for i := range uint32(6) {
				a.SendSpan(i, 0, 1<<20, filled('u'))
			}
		}, errUploadsFull},
		{"tiny uploads", func(a *Conn) {
			for i := range uint32(2 * maxBlocks) {
				a.SendSpan(0, i, 1, filled('u'))
			}
		}, errUploadsFull},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := piped(t)
			ended := run(a, newJournal())
			a.Send(wire.Interested{})
			synctest.Wait() // the writer waits for a reader
			c.fill(a)
			if err := <-ended; !errors.Is(err, c.want) || !strings.Contains(err.Error(), "n2") {
				t.Errorf("%s: ended by %v", c.name, err)
			}
			if s := a.Stats(); s.QueuedBlocks != 0 || s.QueuedBytes != 0 {
				t.Errorf("%s: still queued: %+v", c.name, s)
			}
			a.Send(wire.Choke{})
			a.SendSpan(1, 0, 1, filled('u')) // dropped silently
			b.Close(nil)
		})
	}
}

// What a swarm asks of a peer at a time may wait here, however small the requests:
// the peer's socket takes nothing.
func TestOwnRequestsMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		ended := run(a, newJournal())
		for at := uint32(0); at < swarm.MostOwed; at += swarm.Grain {
			a.SendSpan(1, at, swarm.Grain, filled('w'))
		}
		synctest.Wait()
		if s := a.Stats(); s.QueuedBytes < swarm.MostOwed-1<<20 {
			t.Errorf("%d bytes wait", s.QueuedBytes)
		}
		a.Close(errClosed)
		if err := <-ended; !errors.Is(err, errClosed) {
			t.Errorf("ended by %v", err)
		}
		b.Close(nil)
	})
}

func TestMistakesOfTheCallerEndTheConnection(t *testing.T) {
	for want, do := range map[string]func(c *Conn){
		"not a control message": func(c *Conn) { c.Send(wire.SpanData{Span: 1, Length: 5}) },
		"block of 0 bytes":      func(c *Conn) { c.SendSpan(1, 0, 0, filled('0')) },
		"block of 1048577":      func(c *Conn) { c.SendSpan(1, 0, wire.MaxRequest+1, filled('0')) },
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := piped(t)
			do(a)
			if err := a.Run(newJournal()); !strings.Contains(err.Error(), want) {
				t.Errorf("ended by %v, want %q", err, want)
			}
			b.Close(nil)
		})
	}
}

func TestStatsOfBothEndsAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		go a.Run(newJournal())
		j := newJournal()
		go b.Run(j)
		for i := range uint32(10) {
			a.Send(wire.Have{Piece: i})
			a.SendSpan(i, 0, 1000, filled('s'))
		}
		j.await(t, 20)
		synctest.Wait()
		out, in := a.Stats(), b.Stats()
		overhead := int64(10*9 + 10*15)
		if out.PayloadOut != 10_000 || in.PayloadIn != 10_000 || out.OverheadOut != overhead || in.OverheadIn != overhead {
			t.Errorf("sent %+v, received %+v", out, in)
		}
		a.Close(nil)
		<-a.Done()
	})
}

func TestSocketOptions(t *testing.T) {
	for _, secure := range []bool{false, true} {
		a, b := loopback(t, secure)
		for _, c := range []*Conn{a, b} {
			control, err := c.socket.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			for option, want := range map[[2]int]int{
				{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT}: notSentLowat, {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT}: 15_000,
				{unix.IPPROTO_TCP, unix.TCP_NODELAY}: 1, {unix.IPPROTO_IP, unix.IP_TOS}: lowerEffort,
			} {
				control.Control(func(fd uintptr) {
					if got, err := unix.GetsockoptInt(int(fd), option[0], option[1]); err != nil || got != want {
						t.Errorf("TLS %v: option %d is %d, %v; want %d", secure, option, got, err, want)
					}
				})
			}
		}
	}
}

func TestIPv6(t *testing.T) {
	to, err := Listen(Config{Self: "n2", Listen: "[::1]:0"})
	if err != nil {
		t.Skipf("needs an IPv6 loopback: %v", err)
	}
	defer to.Close()
	a, b := connect(t, listen(t, "n1", nil), to)
	if a.Peer() != "n2" || b.Peer() != "n1" {
		t.Errorf("peers %s, %s", a.Peer(), b.Peer())
	}
	for _, c := range []*Conn{a, b} {
		if err := c.socket.control(func(fd int) error {
			class, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS)
			if class != lowerEffort {
				t.Errorf("the class is %d, want %d", class, lowerEffort)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}
