package transport

import (
	"github.com/rackswarm/rackswarm/core/wire"
)

// readAhead is the length of blocks, in bytes, from which on it pays to have
// another goroutine read them.
const readAhead = 128 << 10

// loads are the reads from disk of one connection, one at a time and one block
// ahead of the writer. It is touched only by the writer.
type loads struct {
	conn    *Conn
	done    chan *block // has room for the one that is being read
	reading bool
	ready   *block // read, not yet given to the writer
}

func newLoads(c *Conn) *loads { return &loads{conn: c, done: make(chan *block, 1)} }

// next returns a block that is to be written now, nil if none is ready, and has
// the one after it read. It waits for small blocks only.
func (l *loads) next() *block {
	if l.reading && l.ready == nil {
		select {
		case b := <-l.done:
			l.take(b)
		default:
		}
	}
	if l.ready == nil && !l.reading {
		l.begin()
	}
	b := l.ready
	l.ready = nil
	if b != nil && !l.reading {
		if u, ok := l.conn.queue.takeUpload(readAhead); ok {
			l.start(u)
		}
	}
	return b
}

// take receives what done has given: nil if the block could not be read.
func (l *loads) take(b *block) { l.reading, l.ready = false, b }

// begin reads what waits longest: a small block at once, a large one meanwhile.
// After a failure the writer comes back, woken by the rejection that goes first.
func (l *loads) begin() {
	u, ok := l.conn.queue.takeUpload(0)
	switch {
	case !ok:
	case u.length >= readAhead:
		l.start(u)
	default:
		l.ready = l.conn.load(u)
	}
}

// start has a block read while other things are done.
func (l *loads) start(u upload) {
	l.reading = true
	go func() {
		var b *block
		defer func() { l.done <- b }()
		l.conn.contain("the disk reads", func() error { b = l.conn.load(u); return nil })
	}()
}

// wait returns when nothing is read any more.
func (l *loads) wait() {
	if l.reading {
		l.take(<-l.done)
	}
	if l.ready != nil {
		l.ready.release()
	}
}

// load reads a block from disk; nil if that failed and the peer was told.
func (c *Conn) load(u upload) *block {
	b := newBlock(wire.SpanData{Span: u.span, Begin: u.begin, Length: u.length}, c.ext)
	if err := u.read(b.payload); err != nil {
		b.release()
		c.log.Warn("block not read, request rejected", "span", u.span, "begin", u.begin, "peer", string(c.peer), "digest", c.digest.String(), "error", err)
		c.Send(wire.SpanReject{Span: u.span, Begin: u.begin, Length: u.length,
			Reason: wire.ReasonReadFailed, RetryAfterMs: uint32(retryAfterReadError.Milliseconds())})
		return nil
	}
	return b
}
