package transport

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Conn is a connection to one peer about one artifact, with the handshakes
// done. Its methods may be called from any goroutine; Run is called once.
type Conn struct {
	peer       unit.NodeID
	digest     Digest
	inbound    bool
	ext        uint8  // what the peer calls rs_swarm
	maxRequest uint32 // what the peer answers at most, in bytes

	raw net.Conn // closed to end the connection
	nc  net.Conn // carries the frames: raw, or TLS on it
	in  *idleReader
	dec *wire.Decoder // touched only by Run
	log *slog.Logger
	// greeted is the decoder's overhead when Run began: the handshakes'.
	greeted int64

	queue queue
	stats counters
	lane  *lane // nil: no datagrams

	pacer   *pacer
	socket  *socket     // nil if it is none of TCP
	watched atomic.Bool // the pacer looks after it, or has given it up
	paced   *paced      // the pacer's
	pace    atomic.Pointer[Pace]
	writing writing

	closing sync.Once
	done    chan struct{}
	reason  error // written before done is closed
}

// errClosed is the reason of a Close without one.
var errClosed = errors.New("connection closed")

func (t *Transport) newConn(raw, nc net.Conn) *Conn {
	in := &idleReader{nc: nc}
	tcp, _ := raw.(*socket)
	return &Conn{
		raw: raw, nc: nc, in: in, dec: wire.NewDecoder(in), log: t.log, queue: newQueue(), done: make(chan struct{}),
		pacer: t.pacer, socket: tcp,
	}
}

// Peer is the node at the other end: proven by its certificate, or, without
// TLS, what it says.
func (c *Conn) Peer() unit.NodeID { return c.peer }

// Digest is the artifact that the connection is about.
func (c *Conn) Digest() Digest { return c.digest }

// Addr is the peer's address.
func (c *Conn) Addr() net.Addr { return c.raw.RemoteAddr() }

// Inbound tells whether the peer dialled.
func (c *Conn) Inbound() bool { return c.inbound }

// MaxRequest is the largest block in bytes that the peer answers a request for.
func (c *Conn) MaxRequest() uint32 { return c.maxRequest }

// Done is closed when the connection is.
func (c *Conn) Done() <-chan struct{} { return c.done }

func (c *Conn) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Close ends the connection at once; what is queued is not sent. The first
// reason given is what Run returns. Close does not wait.
func (c *Conn) Close(reason error) {
	c.closing.Do(func() {
		if reason == nil {
			reason = errClosed
		}
		c.reason = reason
		close(c.done)
		c.queue.close()
		// Closing TLS could block on a full socket, so it is cut off below.
		c.raw.Close()
	})
}
