package foreign

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Clients send a KeepAlive every two minutes when they have nothing to say.
const (
	idleTimeout    = 3 * time.Minute
	keepAliveAfter = 90 * time.Second
	writeTimeout   = 30 * time.Second
)

// Run carries messages both ways until the connection ends and returns why. A
// panic in the sink, or in a function given to SendSpan, ends this connection
// only. When Run returns, neither is called any more.
func (c *Conn) Run(sink Sink) error {
	var writer sync.WaitGroup
	writer.Go(func() { c.guard("the writer", func() error { return c.write(sink) }) })
	c.guard("the reader", func() error { return c.read(sink) })
	writer.Wait()
	return c.reason
}

// guard runs one half of the connection and closes it afterwards.
func (c *Conn) guard(where string, half func() error) {
	defer func() {
		if p := recover(); p != nil {
			c.cfg.Logger.Error("panic recovered; only this connection ends", "client", c.Addr().String(), "in", where, "panic", p, "stack", string(debug.Stack()))
			c.Close(fmt.Errorf("panic in %s of the connection to client %s: %v", where, c.Addr(), p))
		}
	}()
	c.Close(half())
}

func (c *Conn) read(sink Sink) error {
	for {
		m, err := c.dec.Next()
		c.stats.overheadIn.Store(c.dec.Overhead())
		if err == nil {
			err = c.receive(sink, m)
		}
		if err == nil {
			err = c.overflow()
		}
		if err != nil {
			return c.readError(err)
		}
	}
}

// overflow ends the connection to a client that asks and does not take the answers.
func (c *Conn) overflow() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.full()
}

func (c *Conn) readError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("client at %s sent nothing for %s", c.Addr(), idleTimeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("client at %s closed the connection: %w", c.Addr(), err)
	}
	return fmt.Errorf("read from client at %s: %w", c.Addr(), err)
}

// write sends what is queued until the connection ends: all control messages
// first, again before each block.
func (c *Conn) write(sink Sink) error {
	idle := time.NewTimer(keepAliveAfter)
	defer idle.Stop()
	var frame []byte // of blocks, used again
	for {
		batch, later, next := c.takeOut()
		for _, m := range later {
			sink.Message(m)
		}
		if err := c.writeAll(batch); err != nil {
			return err
		}
		c.stats.overheadOut.Add(int64(len(batch)))
		if next != nil {
			var err error
			if frame, err = c.writeBlock(frame[:0], next); err != nil {
				return err
			}
		}
		if batch != nil || later != nil || next != nil {
			continue
		}
		idle.Reset(keepAliveAfter)
		select {
		case <-c.out.wake:
		case <-idle.C:
			c.keepAlive()
		case <-c.done:
			return nil
		}
	}
}

func (c *Conn) keepAlive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.put(wire.KeepAlive{})
}

// takeOut takes what waits: everything, and one block if nothing goes before it.
func (c *Conn) takeOut() (batch []byte, later []wire.Message, next *upload) {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, later = c.out.control, c.out.later
	c.out.control, c.out.later = nil, nil
	if len(batch) == 0 && len(c.out.uploads) > 0 {
		u := c.out.uploads[0]
		next, c.out.uploads = &u, c.out.uploads[1:]
	}
	return batch, later, next
}

// writeBlock answers the request that waits for a block, if one still does. It
// returns the buffer, to be used again.
func (c *Conn) writeBlock(frame []byte, u *upload) ([]byte, error) {
	c.mu.Lock()
	r, waits := c.serving.take(u.block)
	c.mu.Unlock()
	if !waits {
		return frame, nil
	}
	frame = wire.Append(frame, wire.PieceHeader(r), 0)
	head := len(frame)
	frame = append(frame, make([]byte, r.Length)...)
	if err := u.read(frame[head : head+int(u.length)]); err != nil {
		c.cfg.Logger.Warn("block not read, request rejected", "span", u.span, "begin", u.begin, "client", c.Addr().String(), "digest", c.Digest().String(), "error", err)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refuse(r)
		return frame, nil
	}
	if err := c.writeAll(frame); err != nil {
		return frame, err
	}
	c.stats.payloadOut.Add(int64(r.Length))
	c.stats.overheadOut.Add(int64(head))
	return frame, nil
}

func (c *Conn) writeAll(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	err := c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = c.nc.Write(b)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("client at %s took nothing for %s", c.Addr(), writeTimeout)
	}
	if err != nil {
		return fmt.Errorf("write to client at %s: %w", c.Addr(), err)
	}
	return nil
}

// idleReader reads from a connection, failing when nothing comes for long.
type idleReader struct{ nc net.Conn }

func (r *idleReader) Read(p []byte) (int, error) {
	if err := r.nc.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
		return 0, err
	}
	return r.nc.Read(p)
}

type counters struct {
	payloadIn, payloadOut, overheadIn, overheadOut atomic.Int64
}

// Stats may be called at any time, also after the end.
func (c *Conn) Stats() transport.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	st := transport.Stats{
		PayloadIn: c.stats.payloadIn.Load(), PayloadOut: c.stats.payloadOut.Load(),
		OverheadIn: c.stats.overheadIn.Load(), OverheadOut: c.stats.overheadOut.Load(),
		QueuedBlocks: len(c.out.uploads),
	}
	for _, u := range c.out.uploads {
		st.QueuedBytes += int64(u.length)
	}
	return st
}
