package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/wire"
)

// idleTimeout is how long a peer may send nothing; it sends a KeepAlive when
// it has nothing to say.
const idleTimeout = 30 * time.Second

// Sink receives what a peer sends. Its methods but Announced are called by the goroutine of
// Run, one after the other, and must not block for long: nothing is read
// meanwhile.
type Sink interface {
	// Message is called for each message but KeepAlive, handshakes and data.
	Message(c *Conn, m wire.Message)
	// Block is called when a data frame's head has arrived and returns where to
	// put the payload: exactly length bytes, which belong to the connection
	// until BlockDone; or nil to throw the payload away.
	Block(c *Conn, span, begin, length uint32) []byte
	// BlockDone follows each Block that has returned. kept is whether the slice
	// that Block gave is filled; it is false for nil, and when the connection
	// ended within the block.
	BlockDone(c *Conn, span, begin, length uint32, kept bool)
	// Announced is called for a Start or Stop that came by datagram, and comes by
	// Message, too, as announcement number of the connection, counted from 1 by
	// wire.Announcements: before that, or after it. Another goroutine calls it, beside
	// the other methods, and it must not block.
	Announced(c *Conn, number uint64, m wire.Message)
}

// Run carries messages both ways until the connection ends and returns why: the
// reason given to Close, or what went wrong. A panic in the sink, or in a
// function given to SendSpan, ends this connection only. When Run returns,
// neither the sink nor such a function is called any more.
func (c *Conn) Run(sink Sink) error {
	var writer sync.WaitGroup
	writer.Go(func() { c.guard("the writer", c.write) })
	c.in.timeout = idleTimeout
	c.greeted = c.dec.Overhead()
	if c.lane != nil {
		c.lane.open(sink)
		defer c.lane.close()
	}
	c.guard("the sink", func() error { return c.read(sink) })
	writer.Wait()
	return c.reason
}

// guard runs one half of the connection and closes it afterwards.
func (c *Conn) guard(where string, half func() error) {
	c.contain(where, func() error {
		c.Close(half())
		return nil
	})
}

// contain has f end this connection, and nothing else, by an error or a panic.
func (c *Conn) contain(where string, f func() error) {
	defer func() {
		if p := recover(); p != nil {
			c.Close(panicked(c.log.With("peer", string(c.peer)), fmt.Sprintf("%s of the connection to %s", where, c.peer), p))
		}
	}()
	if err := f(); err != nil {
		c.Close(err)
	}
}

func (c *Conn) read(sink Sink) error {
	for {
		m, err := c.dec.Next()
		c.stats.overheadIn.Store(c.dec.Overhead() - c.greeted)
		if err != nil {
			return c.readError(err)
		}
		if err := c.receive(sink, m); err != nil {
			return c.readError(err)
		}
	}
}

func (c *Conn) receive(sink Sink, m wire.Message) error {
	switch m := m.(type) {
	case wire.KeepAlive, wire.ExtHandshake:
	case wire.SpanData:
		return c.receiveBlock(sink, m)
	case wire.PieceHeader:
		return fmt.Errorf("%w: a piece frame, which nobody asked for", wire.ErrMalformed)
	default:
		sink.Message(c, m)
	}
	return nil
}

func (c *Conn) receiveBlock(sink Sink, m wire.SpanData) error {
	dst := sink.Block(c, m.Span, m.Begin, m.Length)
	err := c.fill(dst, m)
	if err == nil {
		c.stats.payloadIn.Add(int64(m.Length))
	}
	sink.BlockDone(c, m.Span, m.Begin, m.Length, dst != nil && err == nil)
	return err
}

func (c *Conn) fill(dst []byte, m wire.SpanData) error {
	switch {
	case dst == nil:
		return c.dec.Discard()
	case len(dst) != int(m.Length):
		return fmt.Errorf("block of %d bytes of span %d: the sink has room for %d", m.Length, m.Span, len(dst))
	}
	return c.dec.ReadPayload(dst)
}

func (c *Conn) readError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("peer %s at %s sent nothing for %s", c.peer, c.Addr(), idleTimeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("peer %s at %s closed the connection: %w", c.peer, c.Addr(), err)
	}
	return fmt.Errorf("read from peer %s at %s: %w", c.peer, c.Addr(), err)
}

// idleReader reads from a connection, failing when nothing comes for the
// timeout. With none, deadlines are not touched.
type idleReader struct {
	nc      net.Conn
	timeout time.Duration
}

func (r *idleReader) Read(p []byte) (int, error) {
	if r.timeout > 0 {
		if err := r.nc.SetReadDeadline(time.Now().Add(r.timeout)); err != nil {
			return 0, err
		}
	}
	return r.nc.Read(p)
}
