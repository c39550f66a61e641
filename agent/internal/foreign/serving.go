package foreign

import (
	"errors"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/wire"
)

const (
	// maxRequest is what a client may ask for at once, in bytes: some ask for
	// more than the 16 KiB of BEP 3.
	maxRequest = 128 << 10
	// maxServing bounds what a client has asked for and not got, in bytes, and
	// serveQueue is the number of requests of 16 KiB that it is told. A request
	// counts as leastRequest at least: each takes memory, however small.
	maxServing   = 3 << 20
	serveQueue   = 128
	leastRequest = 4 << 10
)

var errAskedTooMuch = errors.New("has asked for more than it may at a time")

// request is what a BitTorrent client asks for: a range of a piece.
type request struct{ Piece, Begin, Length uint32 }

// block is what the loop is asked for: a range of a span.
type block struct{ span, begin, length uint32 }

// serving is what the client has asked for and not got: the requests by the block
// of content that answers them. A request may reach beyond it, into the padding
// after a file; then zeros follow.
type serving struct {
	pending map[block]request
	bytes   int64 // what they count as
}

// weight is what a request counts as, in bytes.
func (r request) weight() int64 { return max(int64(r.Length), leastRequest) }

func (s *serving) add(b block, r request) {
	s.pending[b] = r
	s.bytes += r.weight()
}

// take ends the wait for a block; false if nobody waits for it any more.
func (s *serving) take(b block) (request, bool) {
	r, ok := s.pending[b]
	if ok {
		delete(s.pending, b)
		s.bytes -= r.weight()
	}
	return r, ok
}

// locate finds the block that answers a request. Clients that do not know where
// the last piece of a file ends ask for it with its padding.
func (c *Conn) locate(r request) (block, error) {
	if int64(r.Piece) >= int64(c.cfg.Manifest.NumPieces()) {
		return block{}, fmt.Errorf("%w: a request of piece %d of %d", wire.ErrMalformed, r.Piece, c.cfg.Manifest.NumPieces())
	}
	at := c.spans.place(int(r.Piece))
	end := int64(r.Begin) + int64(r.Length)
	if int64(r.Begin) >= at.length || end > c.cfg.Manifest.PieceLength() || r.Length > maxRequest {
		return block{}, fmt.Errorf("%w: a request of bytes %d to %d of piece %d, which has %d", wire.ErrMalformed, r.Begin, end, r.Piece, at.length)
	}
	n := min(end, at.length) - int64(r.Begin)
	return block{uint32(at.span), uint32(at.begin) + r.Begin, uint32(n)}, nil
}

// wanted takes a client's request. It is the loop that admits or rejects it.
func (c *Conn) wanted(r request) (wire.Message, error) {
	b, err := c.locate(r)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, twice := c.serving.pending[b]
	if !c.unchoked || twice {
		c.refuse(r)
		return nil, nil
	}
	if c.serving.bytes+r.weight() > maxServing {
		if !c.fast {
			return nil, errAskedTooMuch
		}
		c.refuse(r)
		return nil, nil
	}
	c.serving.add(b, r)
	return wire.SpanRequest{Span: b.span, Begin: b.begin, Length: b.length}, nil
}

// withdrawn takes a client's cancellation.
func (c *Conn) withdrawn(r request) (wire.Message, error) {
	b, err := c.locate(r)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.serving.pending[b] != r {
		return nil, nil
	}
	c.serving.take(b)
	c.refuse(r) // BEP 6: a request is answered by a piece or by a rejection
	return wire.SpanCancel{Span: b.span, Begin: b.begin, Length: b.length}, nil
}

// refuse tells a client that understands it that a request is not answered. The
// lock is held.
func (c *Conn) refuse(r request) {
	if c.fast {
		c.out.put(wire.RejectRequest(r))
	}
}

// SendSpan queues a block that the client asked for. Right before it is written,
// the writer calls read to fill the payload. It never blocks.
func (c *Conn) SendSpan(span, begin, length uint32, read func(buf []byte) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.upload(upload{block{span, begin, length}, read})
}

// CancelSpan removes a queued block; one that is being written already is sent.
func (c *Conn) CancelSpan(span, begin, length uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.uploads = slices.DeleteFunc(c.out.uploads, func(u upload) bool { return u.block == block{span, begin, length} })
}

// rejected passes on that the loop does not answer a request. The lock is held.
func (c *Conn) rejected(b block) {
	if r, waits := c.serving.take(b); waits {
		c.refuse(r)
	}
}
