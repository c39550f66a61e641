package transport

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

var someDigest = Digest{1, 2, 3, 31: 9}

// listen opens a transport on a free loopback port.
func listen(t testing.TB, self unit.NodeID, creds TLS) *Transport {
	t.Helper()
	return listenLogging(t, self, creds, nil)
}

func listenLogging(t testing.TB, self unit.NodeID, creds TLS, log *slog.Logger) *Transport {
	t.Helper()
	tr, err := Listen(Config{Self: self, Listen: "127.0.0.1:0", TLS: creds, Client: "test", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// connect gives both ends of a connection: a dialled, b accepted.
func connect(t testing.TB, from, to *Transport) (a, b *Conn) {
	t.Helper()
	accepted := make(chan *Conn, 1)
	go func() {
		c, _ := to.Accept(t.Context())
		accepted <- c
	}()
	a, err := from.Dial(t.Context(), to.Addr().String(), to.config.Self, someDigest)
	if err != nil {
		t.Fatal(err)
	}
	b = <-accepted
	if b == nil {
		t.Fatal("not accepted")
	}
	t.Cleanup(func() { a.Close(nil); b.Close(nil) })
	return a, b
}

// loopback gives both ends of a connection over TCP between nodes n1 and n2.
func loopback(t testing.TB, secure bool) (a, b *Conn) {
	t.Helper()
	var c1, c2 TLS
	if secure {
		ca := newAuthority(t)
		c1, c2 = ca.node(t, "n1"), ca.node(t, "n2")
	}
	return connect(t, listen(t, "n1", c1), listen(t, "n2", c2))
}

// piped gives both ends of a connection over net.Pipe, for synctest bubbles.
func piped(t testing.TB) (a, b *Conn) {
	t.Helper()
	x, y := net.Pipe()
	return pipedOver(t, x, y)
}

// pipedOver does the handshakes over the two ends of a pipe.
func pipedOver(t testing.TB, x, y net.Conn) (a, b *Conn) {
	t.Helper()
	accepted := make(chan *Conn, 1)
	go func() {
		c, err := newTransport(Config{Self: "n2"}).inbound(context.Background(), y)
		if err != nil {
			t.Error(err)
		}
		accepted <- c.conn
	}()
	a, err := newTransport(Config{Self: "n1"}).outbound(context.Background(), x, "n2", someDigest)
	if err != nil {
		t.Fatal(err)
	}
	return a, <-accepted
}

// run starts Run and returns where its reason arrives.
func run(c *Conn, s Sink) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- c.Run(s) }()
	return ended
}

// reason waits for the end of a connection.
func reason(t testing.TB, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the connection did not end within a minute")
		return nil
	}
}

// journal is a sink that writes down what arrives, in order: messages, and
// blocks as kept or dropped.
type journal struct {
	block   func(span, begin, length uint32) []byte // nil: a slice of the length asked for
	message func(c *Conn, m wire.Message)

	mu      sync.Mutex
	changed *sync.Cond
	entries []any
}

type kept struct {
	wire.SpanData
	data string
}

type dropped struct{ wire.SpanData }

func newJournal() *journal {
	j := &journal{}
	j.changed = sync.NewCond(&j.mu)
	return j
}

func (j *journal) write(e any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	j.changed.Broadcast()
}

func (j *journal) Message(c *Conn, m wire.Message) {
	j.write(m)
	if j.message != nil {
		j.message(c, m)
	}
}

// announced is what came by datagram.
type announced struct {
	number uint64
	wire.Message
}

func (j *journal) Announced(_ *Conn, number uint64, m wire.Message) { j.write(announced{number, m}) }

// last is the slice that Block gave out; Run calls one method after the other.
type last struct{ b []byte }

func (j *journal) Block(_ *Conn, span, begin, length uint32) []byte {
	var b []byte
	if j.block != nil {
		b = j.block(span, begin, length)
	} else {
		b = make([]byte, length)
	}
	j.write(last{b})
	return b
}

func (j *journal) BlockDone(_ *Conn, span, begin, length uint32, isKept bool) {
	j.mu.Lock()
	b := j.entries[len(j.entries)-1].(last).b
	j.entries = j.entries[:len(j.entries)-1]
	j.mu.Unlock()
	head := wire.SpanData{Span: span, Begin: begin, Length: length}
	if isKept {
		j.write(kept{head, string(b)})
	} else {
		j.write(dropped{head})
	}
}

// await returns the first n entries, waiting for them.
func (j *journal) await(t testing.TB, n int) []any {
	t.Helper()
	giveUp := time.AfterFunc(time.Minute, func() { j.write("gave up") })
	defer giveUp.Stop()
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.complete() < n {
		if len(j.entries) > 0 && j.entries[len(j.entries)-1] == "gave up" {
			t.Fatalf("waited a minute for %d entries, got %d: %v", n, len(j.entries), j.entries)
		}
		j.changed.Wait()
	}
	return append([]any(nil), j.entries[:n]...)
}

// complete counts entries other than a block that is under way.
func (j *journal) complete() int {
	n := len(j.entries)
	if n > 0 {
		if _, underWay := j.entries[n-1].(last); underWay {
			n--
		}
	}
	return n
}

// filled is a read function that fills blocks with one letter.
func filled(letter byte) func([]byte) error {
	return func(b []byte) error {
		for i := range b {
			b[i] = letter
		}
		return nil
	}
}

// logLines is a log whose lines arrive on the channel.
func logLines() (*slog.Logger, <-chan string) {
	lines := make(chan string, 1000)
	return slog.New(slog.NewTextHandler(lineWriter(lines), nil)), lines
}

type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// awaitLine returns the first line that contains the text.
func awaitLine(t testing.TB, lines <-chan string, text string) string {
	t.Helper()
	giveUp := time.After(time.Minute)
	var seen []string
	for {
		select {
		case line := <-lines:
			if strings.Contains(line, text) {
				return line
			}
			seen = append(seen, line)
		case <-giveUp:
			t.Fatalf("no log line says %q within a minute; logged: %q", text, seen)
		}
	}
}

// rawDial opens a TCP connection that the test speaks by hand.
func rawDial(t testing.TB, to *Transport) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", to.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute))
	return nc
}

// greeted opens a TCP connection to a plain transport on which the handshakes
// are done, for the test to misbehave on. The other end is returned, too.
func greeted(t testing.TB, to *Transport) (net.Conn, *Conn) {
	t.Helper()
	nc := rawDial(t, to)
	if _, err := nc.Write(newTransport(Config{Self: "hostile"}).greeting(someDigest, wire.DatagramOffer{})); err != nil {
		t.Fatal(err)
	}
	c, err := to.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(nil) })
	if _, err := io.ReadFull(nc, make([]byte, len(to.greeting(someDigest, wire.DatagramOffer{})))); err != nil {
		t.Fatal(err)
	}
	return nc, c
}
