package transport

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/rackswarm/rackswarm/core/wire"
)

// collected keeps what is written to it, call by call.
type collected struct {
	net.Conn
	calls [][]byte
}

func (c *collected) Write(p []byte) (int, error) {
	c.calls = append(c.calls, bytes.Clone(p))
	return len(p), nil
}

func TestRecordsWaitForFlush(t *testing.T) {
	below := &collected{}
	r := &recordBuffer{Conn: below}
	parts := [][]byte{[]byte("handshake"), bytes.Repeat([]byte("a"), 200<<10), bytes.Repeat([]byte("b"), 200<<10), []byte("end")}
	for i, p := range parts {
		if n, err := r.Write(p); n != len(p) || err != nil {
			t.Fatalf("wrote %d bytes, %v", n, err)
		}
		if i == 0 {
			r.gather()
		}
	}
	if len(below.calls) != 2 {
		t.Errorf("%d writes before flush; the handshake, and what no longer fitted, should be all", len(below.calls))
	}
	for range 2 { // the second has nothing to do
		if err := r.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if len(below.calls) != 3 || !bytes.Equal(bytes.Join(below.calls, nil), bytes.Join(parts, nil)) {
		t.Errorf("%d writes in all; the bytes came through: %v", len(below.calls), bytes.Equal(bytes.Join(below.calls, nil), bytes.Join(parts, nil)))
	}
}

// A block of 256 KiB, which TLS cuts into 17 records, takes one write to TCP.
func TestBlockUnderTLSTakesOneWrite(t *testing.T) {
	ca := newAuthority(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan *Conn, 1)
	go func() {
		nc, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		c, err := newTransport(Config{Self: "n2", TLS: ca.node(t, "n2")}).inbound(t.Context(), nc)
		if err != nil {
			t.Error(err)
		}
		accepted <- c.conn
	}()
	tcp, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	counted := &countedWrites{Conn: tcp}
	a, err := newTransport(Config{Self: "n1", TLS: ca.node(t, "n1")}).outbound(t.Context(), counted, "n2", someDigest)
	if err != nil {
		t.Fatal(err)
	}
	before := counted.writes.Load()
	a.SendSpan(1, 0, 256<<10, filled('t'))
	j := newJournal()
	ended := []<-chan error{run(a, newJournal()), run(<-accepted, j)}
	if got := j.await(t, 1)[0].(kept); got.SpanData != (wire.SpanData{Span: 1, Length: 256 << 10}) {
		t.Errorf("got %v", got.SpanData)
	}
	if n := counted.writes.Load() - before; n != 1 {
		t.Errorf("the block took %d writes", n)
	}
	a.Close(io.EOF)
	for _, e := range ended {
		reason(t, e)
	}
}
