package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/wire"
)

func TestMessagesThatBreakTheProtocolEndTheConnection(t *testing.T) {
	to := listen(t, "n2", nil)
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"oversized", []byte{0xff, 0xff, 0xff, 0xff}, wire.ErrTooLarge},
		{"malformed", []byte{0, 0, 0, 2, 0, 9}, wire.ErrMalformed},
		{"not ours", []byte{0, 0, 0, 10, 7, 0, 0, 0, 1, 0, 0, 0, 2, 'x'}, wire.ErrMalformed},
		{"text", []byte("GET / HTTP/1.1\r\n\r\n"), wire.ErrTooLarge},
		{"cut off", []byte{0, 0, 0, 5, 4}, io.ErrUnexpectedEOF},
		{"nothing", nil, io.EOF},
	} {
		nc, b := greeted(t, to)
		if _, err := nc.Write(c.in); err != nil {
			t.Fatal(err)
		}
		if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		err := reason(t, run(b, newJournal()))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "hostile") {
			t.Errorf("%s: ended by %v, want %v", c.name, err, c.want)
		}
	}
}

// sink calls functions where they are given, else it keeps quiet.
type sink struct {
	message   func()
	announced func()
	block     func(length uint32) []byte
	done      func(kept bool)
}

func (s sink) Message(*Conn, wire.Message) {
	if s.message != nil {
		s.message()
	}
}

func (s sink) Announced(*Conn, uint64, wire.Message) {
	if s.announced != nil {
		s.announced()
	}
}

func (s sink) Block(_ *Conn, _, _, length uint32) []byte {
	if s.block != nil {
		return s.block(length)
	}
	return make([]byte, length)
}

func (s sink) BlockDone(_ *Conn, _, _, _ uint32, kept bool) {
	if s.done != nil {
		s.done(kept)
	}
}

func TestPanicEndsOneConnectionOnly(t *testing.T) {
	for name, s := range map[string]sink{
		"Message":   {message: func() { panic("boom") }},
		"Block":     {block: func(uint32) []byte { panic("boom") }},
		"BlockDone": {done: func(bool) { panic("boom") }},
	} {
		log, lines := logLines()
		from, to := listen(t, "n1", nil), listenLogging(t, "n2", nil, log)
		a, b := connect(t, from, to)
		c, d := connect(t, from, to)
		j := newJournal()
		others := []<-chan error{run(a, newJournal()), run(c, newJournal()), run(d, j)}
		ended := run(b, s)
		if name == "Message" {
			a.Send(wire.Choke{})
		} else {
			a.SendSpan(1, 0, 10, filled('p'))
		}
		if err := reason(t, ended); !strings.Contains(err.Error(), "boom") || !strings.Contains(err.Error(), "n1") {
			t.Errorf("%s: ended by %v", name, err)
		}
		if line := awaitLine(t, lines, "panic recovered"); !strings.Contains(line, "failure_test.go") {
			t.Errorf("%s: the log has no stack: %s", name, line)
		}
		c.Send(wire.Unchoke{})
		j.await(t, 1) // the other connection lives
		c.Close(nil)
		for _, e := range others {
			reason(t, e)
		}
	}
}

func TestPanicOfAReadFunctionEndsItsConnection(t *testing.T) {
	for _, length := range []uint32{10, readAhead} {
		log, lines := logLines()
		a, b := connect(t, listenLogging(t, "n1", nil, log), listen(t, "n2", nil))
		eb := run(b, newJournal())
		a.SendSpan(1, 0, length, func([]byte) error { panic("boom") })
		if err := reason(t, run(a, newJournal())); !strings.Contains(err.Error(), "boom") {
			t.Errorf("ended by %v", err)
		}
		awaitLine(t, lines, "panic recovered")
		reason(t, eb)
	}
}

func TestPanicInAHandshakeIsRecovered(t *testing.T) {
	log, lines := logLines()
	to := listenLogging(t, "n2", panicky{newAuthority(t).node(t, "n2")}, log)
	if _, err := rawDial(t, to).Write([]byte{recordHandshake}); err != nil {
		t.Fatal(err)
	}
	awaitLine(t, lines, "panic recovered")
	awaitLine(t, lines, "connection refused")
}

// panicky credentials have a bug.
type panicky struct{ TLS }

func (panicky) ServerTLS() *tls.Config { panic("boom") }

// The owner of the slice that Block gave learns that it is free again.
func TestConnectionThatEndsWithinABlock(t *testing.T) {
	for _, side := range []string{"peer", "own"} {
		nc, b := greeted(t, listen(t, "n2", nil))
		within, done := make(chan struct{}), make(chan bool, 1)
		ended := run(b, sink{
			block: func(length uint32) []byte { close(within); return make([]byte, length) },
			done:  func(kept bool) { done <- kept },
		})
		head := wire.Append(nil, wire.SpanData{Span: 1, Length: 100_000}, wire.LocalExtension)
		if _, err := nc.Write(append(head, make([]byte, 30_000)...)); err != nil {
			t.Fatal(err)
		}
		<-within
		if side == "peer" {
			nc.Close()
		} else {
			b.Close(errors.New("no longer needed"))
		}
		if <-done {
			t.Errorf("%s end closed: the block was kept", side)
		}
		err := reason(t, ended)
		if side == "own" && err.Error() != "no longer needed" {
			t.Errorf("ended by %v", err)
		}
		if b.Stats().PayloadIn != 0 {
			t.Errorf("counted %d bytes of payload", b.Stats().PayloadIn)
		}
	}
}

func TestSinkWithoutRoomIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		go a.Run(newJournal())
		a.SendSpan(1, 0, 10, filled('r'))
		err := b.Run(sink{block: func(uint32) []byte { return make([]byte, 9) }})
		if !strings.Contains(err.Error(), "block of 10 bytes") {
			t.Errorf("ended by %v", err)
		}
	})
}

func TestIdleConnectionIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		go a.Run(newJournal())
		ended := run(b, newJournal())
		time.Sleep(10*time.Minute + time.Second)
		select {
		case err := <-ended:
			t.Fatalf("ended by %v", err)
		default:
		}
		if got := a.Stats().OverheadOut; got != 60*4 {
			t.Errorf("sent %d bytes in ten minutes, not 60 KeepAlives", got)
		}
		a.Close(nil)
		<-ended
	})
}

func TestSilentPeerIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		start := time.Now()
		err := a.Run(newJournal())
		if !strings.Contains(err.Error(), "sent nothing for 30s") || time.Since(start) != idleTimeout {
			t.Errorf("ended after %s by %v", time.Since(start), err)
		}
		b.Close(nil)
	})
}

func TestPeerThatTakesNothingIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := piped(t)
		go func() { // sends KeepAlives but reads nothing
			for {
				if _, err := b.nc.Write(make([]byte, 4)); err != nil {
					return
				}
				select {
				case <-time.After(keepAliveAfter):
				case <-b.Done():
					return
				}
			}
		}()
		a.SendSpan(1, 0, 1000, filled('w'))
		start := time.Now()
		err := a.Run(newJournal())
		if !strings.Contains(err.Error(), "took nothing for 30s") || time.Since(start) != writeTimeout {
			t.Errorf("ended after %s by %v", time.Since(start), err)
		}
		b.Close(nil)
	})
}

// Goroutines that a connection and a transport start end with them.
func TestNothingIsLeftRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	ca := newAuthority(t)
	from, to := listen(t, "n1", ca.node(t, "n1")), listen(t, "n2", ca.node(t, "n2"))
	a, b := connect(t, from, to)
	ended := []<-chan error{run(a, newJournal()), run(b, newJournal())}
	rawDial(t, to) // a handshake that never goes on
	b.Close(nil)
	for _, e := range ended {
		reason(t, e)
	}
	from.Close()
	to.Close()
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}
