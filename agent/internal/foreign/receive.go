package foreign

import (
	"errors"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/wire"
)

// errSeeds ends a connection that has nothing more to carry.
var errSeeds = errors.New("both sides have everything")

func errNotAsked(r request) error {
	return fmt.Errorf("%w: %d bytes at %d of piece %d, which nobody asked for", wire.ErrMalformed, r.Length, r.Begin, r.Piece)
}

// What the loop hears of all of a client's pieces takes work in proportion to the
// artifact, whatever it costs the client to say so: it says what it has once, and
// chokes us as often as a client has reason to, which is every ten seconds.
const (
	maxChokes   = 60
	chokePeriod = time.Minute
)

var (
	errWavers = fmt.Errorf("%w: it choked and unchoked more than %d times within %s", wire.ErrMalformed, maxChokes, chokePeriod)
	errTwice  = fmt.Errorf("%w: a second message of all that it has", wire.ErrMalformed)
)

// tally counts what may happen so often in a period.
type tally struct {
	since time.Time
	count int
}

func (t *tally) take(now time.Time) bool {
	if now.Sub(t.since) >= chokePeriod {
		*t = tally{since: now}
	}
	t.count++
	return t.count <= maxChokes
}

// introduced notes that the client says what it has.
func (c *Conn) introduced() error {
	if c.met {
		return errTwice
	}
	c.met = true
	return nil
}

// receive handles a client's message.
func (c *Conn) receive(sink Sink, m wire.Message) error {
	switch m := m.(type) {
	case wire.KeepAlive, wire.NotInterested:
	case wire.ExtHandshake:
		c.limit(m.Queue)
	case wire.Choke:
		if !c.chokes.take(time.Now()) {
			return errWavers
		}
		return c.choke(sink)
	case wire.Unchoke:
		c.unchoke(sink)
	case wire.Interested:
		c.letAsk()
	case wire.Have:
		return c.have(sink, m.Piece)
	case wire.Bitfield:
		if err := c.introduced(); err != nil {
			return err
		}
		pieces, err := artifact.ParseBitset(m.Bits, c.cfg.Manifest.NumPieces())
		if err != nil {
			return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
		}
		return c.has(sink, pieces)
	case wire.HaveAll:
		if err := c.introduced(); err != nil {
			return err
		}
		return c.has(sink, artifact.All(c.cfg.Manifest.NumPieces()))
	case wire.HaveNone:
		return c.introduced()
	case wire.Request:
		return pass(sink)(c.wanted(request(m)))
	case wire.Cancel:
		return pass(sink)(c.withdrawn(request(m)))
	case wire.RejectRequest:
		c.refused(request(m))
	case wire.PieceHeader:
		return c.take(sink, request(m))
	case wire.HashRequest:
		c.prove(m)
	default:
		return fmt.Errorf("%w: %T, which nothing here calls for", wire.ErrMalformed, m)
	}
	return nil
}

// pass hands on what a message means to the loop, if anything.
func pass(sink Sink) func(wire.Message, error) error {
	return func(m wire.Message, err error) error {
		if m != nil {
			sink.Message(m)
		}
		return err
	}
}

// limit takes how many requests the client keeps.
func (c *Conn) limit(queue uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if queue > 0 {
		c.asking.limit = int(min(queue, maxQueue))
		c.pump()
	}
}

// choke handles that the client answers no requests for now: its spans count as
// not there.
func (c *Conn) choke(sink Sink) error {
	c.mu.Lock()
	again := c.choked
	c.choked = true
	c.dropAll()
	var gone wire.SpanDontHave
	for s, n := range c.spans.lacking {
		if n == 0 {
			gone.Spans = append(gone.Spans, uint32(s))
		}
	}
	c.mu.Unlock()
	if !again && len(gone.Spans) > 0 {
		sink.Message(gone)
	}
	return nil
}

// unchoke handles that the client answers requests: now the loop hears what it
// has.
func (c *Conn) unchoke(sink Sink) {
	c.mu.Lock()
	again := !c.choked
	c.choked = false
	have := c.spans.bitfield()
	c.mu.Unlock()
	if !again {
		sink.Message(have)
	}
}

// letAsk lets a client ask that wants to. Who was let in at all is served: the
// loop bounds how many are, and admits their requests in turn.
func (c *Conn) letAsk() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.unchoked {
		c.unchoked = true
		c.out.put(wire.Unchoke{})
	}
}

// have takes a piece of the client's.
func (c *Conn) have(sink Sink, piece uint32) error {
	c.mu.Lock()
	span, err := c.spans.theyGot(piece)
	c.interest()
	tell, done := span >= 0 && !c.choked, c.greeted && c.spans.seeds()
	c.mu.Unlock()
	switch {
	case err != nil:
		return err
	case done:
		return errSeeds
	case tell:
		sink.Message(wire.SpanHave{Spans: []uint32{uint32(span)}})
	}
	return nil
}

// has takes all of the client's pieces at once.
func (c *Conn) has(sink Sink, pieces artifact.Bitset) error {
	c.mu.Lock()
	c.spans.theyGotAll(pieces)
	c.interest()
	have, tell, done := c.spans.bitfield(), !c.choked, c.greeted && c.spans.seeds()
	c.mu.Unlock()
	switch {
	case done:
		return errSeeds
	case tell:
		sink.Message(have)
	}
	return nil
}

// take receives a piece's payload, and hands on the block that it completes.
func (c *Conn) take(sink Sink, r request) error {
	f, into, err := c.arriving(r)
	if err != nil {
		return err
	}
	if into == nil {
		if err := c.dec.Discard(); err != nil {
			return err
		}
		c.stats.payloadIn.Add(int64(r.Length))
		return nil
	}
	if err := c.dec.ReadPayload(into); err != nil {
		return err
	}
	c.stats.payloadIn.Add(int64(r.Length))
	if a := c.arrived(f); a != nil {
		b := a.block
		dst := sink.Block(b.span, b.begin, b.length)
		kept := len(dst) == len(a.buf)
		copy(dst, a.buf)
		sink.BlockDone(b.span, b.begin, b.length, kept)
	}
	return nil
}
