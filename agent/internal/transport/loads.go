package transport

import (
	"github.com/rackswarm/rackswarm/core/wire"
)

const (
	// readAhead is the length of blocks, in bytes, from which on it pays to have
	// another goroutine read them.
	readAhead = 128 << 10
	// mostAhead is how many blocks are read at a time. One goroutine that opens
	// small files takes longer than the kernel to send what is in them.
	mostAhead = 2
)

// loads are the reads from disk of one connection, a few blocks ahead of the
// writer. It is touched only by the writer.
type loads struct {
	conn *Conn
	// ahead are the blocks that are being read, in the order in which they are
	// sent. Each channel has room for its block, nil if it could not be read.
	ahead []chan *block
	ready *block // read, not yet given to the writer
}

func newLoads(c *Conn) *loads { return &loads{conn: c} }

// next returns a block that is to be written now, nil if none is ready, and has
// those after it read. It waits for small blocks only.
func (l *loads) next() *block {
	l.begin()
	if l.ready == nil {
		select {
		case b := <-l.done():
			l.take(b)
			l.begin()
		default:
		}
	}
	b := l.ready
	l.ready = nil
	return b
}

// done gives the block that is to be sent next, once it is read; nothing if none is
// being read. What it gives is for take.
func (l *loads) done() <-chan *block {
	if len(l.ahead) == 0 {
		return nil
	}
	return l.ahead[0]
}

// take receives what done has given: nil if the block could not be read.
func (l *loads) take(b *block) { l.ahead, l.ready = l.ahead[1:], b }

// begin has what waits longest read: large blocks meanwhile, a small one at once
// if it is the next to be sent. After a failure the writer comes back, woken by the
// rejection that goes first.
func (l *loads) begin() {
	for len(l.ahead) < mostAhead {
		u, ok := l.conn.queue.takeUpload(readAhead)
		if !ok {
			break
		}
		l.start(u)
	}
	if len(l.ahead) > 0 || l.ready != nil {
		return
	}
	if u, ok := l.conn.queue.takeUpload(0); ok {
		l.ready = l.conn.load(u)
	}
}

// start has a block read while other things are done.
func (l *loads) start(u upload) {
	done := make(chan *block, 1)
	l.ahead = append(l.ahead, done)
	go func() {
		var b *block
		defer func() { done <- b }()
		l.conn.contain("the disk reads", func() error { b = l.conn.load(u); return nil })
	}()
}

// wait returns when nothing is read any more.
func (l *loads) wait() {
	for _, done := range l.ahead {
		if b := <-done; b != nil {
			b.release()
		}
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
	corrupt(b.payload)
	return b
}
