package foreign

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/wire"
)

const (
	// maxQueue is how many requests are in flight at most, whatever more a client
	// says it keeps: some (anacrolix) stop for good when 1 MiB is asked for at a time.
	maxQueue = 48
	// retryAfter is when a client that rejects a request, or chokes, is asked
	// again.
	retryAfter = time.Second
)

// asking is what we ask the client for.
type asking struct {
	asks     map[block]*ask
	queue    []flight // parts that are still to be asked for
	inFlight map[request]flight
	limit    int // requests in flight
	// spare is how many bytes were asked for and then cancelled: they may come.
	spare int64
}

// ask is a block that the loop wants, in the making.
type ask struct {
	block
	buf  []byte
	left int // parts that are not here
}

// flight is a part of an ask.
type flight struct {
	part
	of *ask
}

// want takes the loop's request. The lock is held.
func (c *Conn) want(b block) {
	if c.choked {
		c.giveUp(b)
		return
	}
	parts := c.spans.cut(int(b.span), int64(b.begin), int64(b.length))
	a := &ask{block: b, buf: make([]byte, b.length), left: len(parts)}
	c.asking.asks[b] = a
	for _, p := range parts {
		c.asking.queue = append(c.asking.queue, flight{p, a})
	}
	c.pump()
}

// giveUp tells the loop that it does not get a block now. The lock is held.
func (c *Conn) giveUp(b block) {
	c.out.tell(wire.SpanReject{Span: b.span, Begin: b.begin, Length: b.length,
		Reason: wire.ReasonBusy, RetryAfterMs: uint32(retryAfter.Milliseconds())})
}

// pump asks for as much as the client keeps. The lock is held.
func (c *Conn) pump() {
	q := &c.asking
	for len(q.queue) > 0 && len(q.inFlight) < q.limit && !c.choked {
		f := q.queue[0]
		q.queue = q.queue[1:]
		q.inFlight[f.request] = f
		c.out.put(wire.Request(f.request))
	}
}

// drop forgets an ask; cancel says whether the client is told. The lock is held.
func (c *Conn) drop(a *ask, cancel bool) {
	q := &c.asking
	delete(q.asks, a.block)
	q.queue = slices.DeleteFunc(q.queue, func(f flight) bool { return f.of == a })
	for r, f := range q.inFlight {
		if f.of != a {
			continue
		}
		delete(q.inFlight, r)
		q.spare += int64(r.Length)
		if cancel {
			c.out.put(wire.Cancel(r))
		}
	}
}

// dropAll fails everything that was asked for: the client has choked us. The lock
// is held.
func (c *Conn) dropAll() {
	for _, a := range c.asking.asks {
		c.drop(a, false)
		c.giveUp(a.block)
	}
}

// refused takes a client's rejection: the block that needs it fails. One of what
// was cancelled means nothing.
func (c *Conn) refused(r request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.asking.inFlight[r]
	if !ok {
		return
	}
	delete(c.asking.inFlight, r)
	c.drop(f.of, true)
	c.giveUp(f.of.block)
	c.pump()
}

// arriving finds where a piece's payload goes; nil if it was cancelled. It counts
// as no longer in flight.
func (c *Conn) arriving(r request) (f flight, into []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.asking.inFlight[r]
	if !ok {
		if c.asking.spare -= int64(r.Length); c.asking.spare < 0 {
			return f, nil, errNotAsked(r)
		}
		return f, nil, nil
	}
	delete(c.asking.inFlight, r)
	c.pump()
	return f, f.of.buf[f.at : f.at+int(r.Length)], nil
}

// arrived takes a part whose payload is here, and returns its block if that is
// complete now.
func (c *Conn) arrived(f flight) *ask {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := f.of
	if a.left--; a.left > 0 || c.asking.asks[a.block] != a {
		return nil
	}
	delete(c.asking.asks, a.block)
	return a
}
