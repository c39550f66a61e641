package transport

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

const (
	// keepAliveAfter is how long nothing is sent before a KeepAlive is.
	keepAliveAfter = 10 * time.Second
	// writeChunk is what a peer must take within writeTimeout: the common block
	// with its head.
	writeChunk   = 256<<10 + headRoom
	writeTimeout = 30 * time.Second
	// retryAfterReadError is when a peer may ask again for what the disk did
	// not deliver.
	retryAfterReadError = time.Second
)

// Send queues a control message ahead of all data. It never blocks. If more
// than 4 MiB wait, the peer does not keep up and the connection is closed.
// Data frames go by SendSpan only. A Start or Stop is sent by datagram as well, at
// once, if both sides have datagrams.
func (c *Conn) Send(m wire.Message) {
	if wire.Payload(m) > 0 {
		c.Close(fmt.Errorf("send to peer %s: %T is not a control message", c.peer, m))
		return
	}
	number, err := c.queue.send(m, c.ext)
	c.closeOn(err)
	if number > 0 && c.lane != nil {
		c.lane.send(number, m)
	}
}

// SendSpan queues a block. Right before it is written, the writer calls read to
// fill the payload; if that fails, the peer gets a SpanReject instead. It never
// blocks. If more than 4 MiB wait, the peer has asked for too much and the
// connection is closed. length is 1 to wire.MaxRequest.
func (c *Conn) SendSpan(span, begin, length uint32, read func(buf []byte) error) {
	if length == 0 || length > wire.MaxRequest {
		c.Close(fmt.Errorf("send to peer %s: block of %d bytes of span %d; 1 to %d are allowed", c.peer, length, span, wire.MaxRequest))
		return
	}
	c.closeOn(c.queue.upload(upload{span, begin, length, read}))
}

// CancelSpan removes a queued block; one that is being written already is sent.
func (c *Conn) CancelSpan(span, begin, length uint32) { c.queue.cancel(span, begin, length) }

func (c *Conn) closeOn(err error) {
	if err != nil {
		c.Close(fmt.Errorf("peer %s at %s: %w", c.peer, c.Addr(), err))
	}
}

// write sends what is queued until the connection ends: all control messages
// first, again before each block. While a block is written the next ones are read
// from disk, so that neither waits for the other.
func (c *Conn) write() error {
	idle := time.NewTimer(keepAliveAfter)
	defer idle.Stop()
	loads := newLoads(c)
	defer loads.wait()
	for {
		if batch := c.queue.takeControl(); len(batch) > 0 {
			if err := c.writeControl(batch); err != nil {
				return err
			}
			continue
		}
		if b := loads.next(); b != nil {
			if err := c.writeBlock(b); err != nil {
				return err
			}
			continue
		}
		idle.Reset(keepAliveAfter)
		select {
		case b := <-loads.done():
			loads.take(b)
		case <-c.queue.wake:
		case <-idle.C:
			c.Send(wire.KeepAlive{})
		case <-c.done:
			return nil
		}
	}
}

func (c *Conn) writeControl(batch []byte) error {
	c.stats.overheadOut.Add(int64(len(batch)))
	return c.writeAll(batch)
}

func (c *Conn) writeBlock(b *block) error {
	defer b.release()
	if c.pacer.on.Load() && !c.watched.Load() {
		c.pacer.enter(c)
	}
	if err := c.writeAll(b.frame); err != nil {
		return err
	}
	c.stats.payloadOut.Add(int64(len(b.payload)))
	c.stats.overheadOut.Add(int64(len(b.frame) - len(b.payload)))
	return nil
}

func (c *Conn) writeAll(b []byte) error {
	for len(b) > 0 {
		chunk := b[:min(len(b), writeChunk)]
		if err := c.beginWrite(len(chunk)); err != nil {
			return c.writeError(err)
		}
		n, err := c.nc.Write(chunk)
		c.endWrite()
		if err != nil {
			return c.writeError(err)
		}
		b = b[n:]
	}
	return nil
}

// writing is the write that is under way: when it began, of how many bytes, 0 for
// none, and when the peer must have taken them.
type writing struct {
	mu    sync.Mutex
	began time.Time
	bytes int
	until time.Time
}

func (c *Conn) beginWrite(bytes int) error {
	w := &c.writing
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began, w.bytes = time.Now(), bytes
	w.until = w.began.Add(writeTimeout + c.paceOf(bytes))
	return c.nc.SetWriteDeadline(w.until)
}

func (c *Conn) endWrite() {
	c.writing.mu.Lock()
	defer c.writing.mu.Unlock()
	c.writing.bytes = 0
}

// setPace notes the pace, nil for none. A peer that we send to more slowly than when a
// write began has more time for it: it must not be taken to be dead for our own pace,
// and a write of TLS that has timed out cannot go on.
func (c *Conn) setPace(p *Pace) {
	c.pace.Store(p)
	w := &c.writing
	w.mu.Lock()
	defer w.mu.Unlock()
	until := w.began.Add(writeTimeout + c.paceOf(w.bytes))
	if w.bytes == 0 || !until.After(w.until) {
		return
	}
	w.until = until
	_ = c.nc.SetWriteDeadline(until) // it fails if the connection has ended
}

// paceOf is how long so many bytes take at the least pace that the connection may
// have before they are sent; no time without one.
func (c *Conn) paceOf(bytes int) time.Duration {
	p := c.pace.Load()
	if p == nil {
		return 0
	}
	return unit.Bytes(bytes).Over(p.Least)
}

func (c *Conn) writeError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("peer %s at %s took nothing for %s", c.peer, c.Addr(), writeTimeout)
	}
	return fmt.Errorf("write to peer %s at %s: %w", c.peer, c.Addr(), err)
}
