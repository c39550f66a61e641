package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/wire"
)

// What a stranger says first, and what the log says of it.
func TestStrangersAreRefused(t *testing.T) {
	fine := newTransport(Config{Self: "stranger"}).greeting(someDigest, wire.DatagramOffer{})
	short := someDigest.Short()
	hello := wire.Handshake{Extensions: wire.Extensions(), InfoHash: short, PeerID: [20]byte([]byte(agentPrefix + "abcdefghijkl"))}
	head := func(m wire.Message) []byte { return wire.Append(hello.Append(nil), m, 1) }
	mute, other := hello, hello
	mute.Extensions = wire.Handshake{}.Extensions
	copy(other.PeerID[:], "-LT2080-")
	ours := map[string]int{wire.ExtensionName: 1}
	for _, c := range []struct {
		name, says string
		in         []byte
	}{
		{"another protocol", "neither BitTorrent nor TLS", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"another name", "not with the BitTorrent protocol's name", bytes.Repeat([]byte{0x13}, 68)},
		{"no extension protocol", "BEP 10", mute.Append(nil)},
		{"a message before the extended handshake", "wire.Have before", head(wire.Have{Piece: 1})},
		{"a foreign client", "foreign.accept", other.Append(nil)},
		{"a foreign client that looks like an agent", "only rackswarm agents", head(wire.ExtHandshake{M: map[string]int{"ut_pex": 1}, Client: "other"})},
		{"another digest", "does not fit the info-hash", head(wire.ExtHandshake{M: ours, Digest: Digest{7}, Node: "x", Version: 1})},
		{"a bad name", "node name", head(wire.ExtHandshake{M: ours, Digest: someDigest, Node: "../x", Version: 1})},
		{"an oversized frame", "too large", append(hello.Append(nil), 0xff, 0xff, 0xff, 0xff)},
		{"half of the handshakes", "EOF", fine[:len(fine)-3]},
		{"nothing", "EOF", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, lines := logLines()
			to := listenLogging(t, "n2", nil, log)
			nc := rawDial(t, to)
			if _, err := nc.Write(c.in); err != nil {
				t.Fatal(err)
			}
			if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if line := awaitLine(t, lines, "connection refused"); !strings.Contains(line, c.says) {
				t.Errorf("logged %q, which lacks %q", line, c.says)
			}
			if _, err := io.Copy(io.Discard, nc); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the connection was not closed: %v", err)
			}
		})
	}
}

func TestStrangersOfTLSAreRefused(t *testing.T) {
	log, lines := logLines()
	to := listenLogging(t, "n2", newAuthority(t).node(t, "n2"), log)
	nc := rawDial(t, to)
	if _, err := nc.Write(append([]byte{recordHandshake}, "this is no TLS record at all"...)); err != nil {
		t.Fatal(err)
	}
	if line := awaitLine(t, lines, "connection refused"); !strings.Contains(line, "TLS handshake") {
		t.Errorf("logged %q", line)
	}
}

// A peer that sends a byte a second does not hold a handshake open.
func TestSlowHandshakeIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		tr := newTransport(Config{Self: "n2"})
		var slow sync.WaitGroup
		slow.Go(func() {
			for _, b := range tr.greeting(someDigest, wire.DatagramOffer{}) {
				time.Sleep(time.Second)
				if _, err := theirs.Write([]byte{b}); err != nil {
					return
				}
			}
		})
		start := time.Now()
		tr.welcome(ours, func() {})
		if took := time.Since(start); took != handshakeTimeout {
			t.Errorf("cut off after %s", took)
		}
		if _, err := theirs.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the connection is still open: %v", err)
		}
		slow.Wait()
	})
}

// A connection that nobody accepts is closed.
func TestUnacceptedConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go newTransport(Config{Self: "n2"}).welcome(ours, func() {})
		c, err := newTransport(Config{Self: "n1"}).outbound(context.Background(), theirs, "n2", someDigest)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := c.dec.Next(); !errors.Is(err, io.EOF) || time.Since(start) != handshakeTimeout {
			t.Errorf("ended after %s by %v", time.Since(start), err)
		}
	})
}

// pipes is a listener of connections that tests make.
type pipes struct {
	arriving chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case <-p.closed:
		return nil, net.ErrClosed
	case c := <-p.arriving:
		return c, nil
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Connections that never say anything are bounded, and keep nobody out.
func TestHalfOpenConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := &pipes{arriving: make(chan net.Conn), closed: make(chan struct{})}
		tr := newTransport(Config{Self: "n2"})
		tr.listener = p
		tr.workers.Go(tr.acceptLoop)
		var cut [2 * maxHalfOpen]atomic.Bool
		for i := range cut {
			ours, theirs := net.Pipe()
			go func() { _, _ = theirs.Read(make([]byte, 1)); cut[i].Store(true) }()
			p.arriving <- ours
		}
		honest, theirs := net.Pipe()
		p.arriving <- honest
		go func() {
			if _, err := newTransport(Config{Self: "n1"}).outbound(t.Context(), theirs, "n2", someDigest); err != nil {
				t.Error(err)
			}
		}()
		if c, err := tr.Accept(t.Context()); err != nil || c.Peer() != "n1" {
			t.Errorf("accepted %v: %v", c, err)
		}
		synctest.Wait()
		for i := range cut {
			if want := i <= maxHalfOpen; cut[i].Load() != want {
				t.Errorf("connection %d of %d is cut off: %v", i, len(cut), !want)
			}
		}
		if waited := time.Since(start); waited > 0 {
			t.Errorf("an honest peer had to wait %s", waited)
		}
		tr.Close()
	})
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	tr := listen(t, "n1", newAuthority(t).node(t, "n1"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		nc, err := silent.Accept()
		if err == nil {
			defer nc.Close()
		}
		cancel()
		io.Copy(io.Discard, nc)
	}()
	if _, err := tr.Dial(ctx, silent.Addr().String(), "n2", someDigest); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial: %v", err)
	}
	if _, err := tr.Dial(t.Context(), "127.0.0.1:1", "n2", someDigest); err == nil || !strings.Contains(err.Error(), "node n2 at 127.0.0.1:1") {
		t.Errorf("Dial of a closed port: %v", err)
	}
}

func TestClosedTransport(t *testing.T) {
	tr := listen(t, "n1", nil)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Accept(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("Accept with a context that ended: %v", err)
	}
	nc := rawDial(t, tr) // a handshake under way does not delay Close
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if _, err := tr.Accept(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	if _, err := tr.Dial(t.Context(), "127.0.0.1:1", "n2", someDigest); !errors.Is(err, ErrClosed) {
		t.Errorf("Dial: %v", err)
	}
	if _, err := Listen(Config{Self: "n1", Listen: "not an address"}); err == nil || !strings.Contains(err.Error(), "data.listen") {
		t.Errorf("Listen: %v", err)
	}
}
