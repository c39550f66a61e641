package foreign

import (
	"errors"
	"log/slog"
	"net"
	"sync"

	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Sink receives what a client sends, in terms of spans. It is transport.Sink but
// for the connection; Message may be called while Block is.
type Sink interface {
	Message(m wire.Message)
	Block(span, begin, length uint32) []byte
	BlockDone(span, begin, length uint32, kept bool)
}

// Config says whom a Conn talks to, and about what.
type Config struct {
	Guest    *transport.Guest
	Peer     unit.NodeID // what the client is called here
	Manifest *artifact.Manifest
	// Read fills buf from byte begin of a span of ours; the hashes of leaves come
	// from there.
	Read   func(span, begin int, buf []byte) error
	Effort *Effort // of all connections together; nil has no bound
	Client string  // name and version of this program
	Logger *slog.Logger
}

// Conn is a connection to a client. Its methods may be called from any goroutine;
// Run is called once.
type Conn struct {
	cfg   Config
	nc    net.Conn
	dec   *wire.Decoder // touched only by Run
	trees trees         // touched only by Run
	fast  bool          // both sides speak BEP 6
	stats counters
	// The reader's.
	met    bool  // the client has said what it has
	chokes tally // how often it choked us

	mu sync.Mutex
	// Guarded by mu.
	spans      spans
	out        outbox
	serving    serving
	asking     asking
	greeted    bool // the client was told what we have
	unchoked   bool // the client may ask us
	choked     bool // we may not ask the client
	interested bool // the client was told that we are

	closing sync.Once
	done    chan struct{}
	reason  error // written before done is closed
}

var errClosed = errors.New("connection closed")

// New takes over a guest. The caller must call Run or Close.
func New(c Config) *Conn {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	k := &Conn{
		cfg: c, nc: c.Guest.Conn, trees: trees{manifest: c.Manifest, read: c.Read, effort: c.Effort},
		fast:  c.Guest.Handshake.Extensions.SupportsFast(),
		spans: newSpans(c.Manifest), choked: true, done: make(chan struct{}),
	}
	k.dec = wire.NewDecoder(&idleReader{k.nc})
	k.out = outbox{wake: make(chan struct{}, 1), control: c.Guest.Answer}
	k.serving.pending = map[block]request{}
	k.asking = asking{asks: map[block]*ask{}, inFlight: map[request]flight{}, limit: maxQueue}
	if c.Guest.Handshake.Extensions.SupportsExtended() {
		k.out.put(wire.ExtHandshake{Client: c.Client, Queue: serveQueue})
	}
	return k
}

// Peer is what the client is called here.
func (c *Conn) Peer() unit.NodeID { return c.cfg.Peer }

// Digest is the artifact that the connection is about.
func (c *Conn) Digest() artifact.Digest { return c.cfg.Manifest.Digest() }

// Addr is the client's address.
func (c *Conn) Addr() net.Addr { return c.nc.RemoteAddr() }

// Inbound tells whether the client dialled.
func (c *Conn) Inbound() bool { return c.cfg.Guest.Inbound }

// MaxRequest is what the client answers at most to one request, in bytes.
func (c *Conn) MaxRequest() uint32 { return blockSize }

// Done is closed when the connection is.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Complete reports whether the client has everything.
func (c *Conn) Complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans.theirs.Full()
}

// Close ends the connection at once. The first reason given is what Run returns.
func (c *Conn) Close(reason error) {
	c.closing.Do(func() {
		if reason == nil {
			reason = errClosed
		}
		c.reason = reason
		close(c.done)
		c.nc.Close()
	})
}
