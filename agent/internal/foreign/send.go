package foreign

import (
	"fmt"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Send says in BitTorrent's words what the loop tells a peer, as far as there are
// any. It never blocks.
func (c *Conn) Send(m wire.Message) {
	c.mu.Lock()
	c.say(m)
	done, err := c.greeted && c.spans.seeds(), c.out.full()
	c.mu.Unlock()
	switch {
	case err != nil:
		c.Close(fmt.Errorf("client at %s: %w", c.Addr(), err))
	case done:
		c.Close(errSeeds)
	}
}

// say is Send with the lock held.
func (c *Conn) say(m wire.Message) {
	switch m := m.(type) {
	case wire.SpanBitfield:
		c.offer(m.Bits)
	case wire.SpanHave:
		for _, s := range m.Spans {
			c.announce(int(s))
		}
	case wire.SpanDontHave:
		for _, s := range m.Spans {
			c.spans.weLost(int(s))
		}
	case wire.SpanRequest:
		c.want(block{m.Span, m.Begin, m.Length})
	case wire.SpanCancel:
		if a := c.asking.asks[block{m.Span, m.Begin, m.Length}]; a != nil {
			c.drop(a, true)
			c.pump()
		}
	case wire.SpanReject:
		c.rejected(block{m.Span, m.Begin, m.Length})
	}
	c.interest()
}

// offer tells the client what we have: in its first message, later piece by piece.
func (c *Conn) offer(bits []byte) {
	have, err := artifact.ParseBitset(bits, c.cfg.Manifest.NumSpans())
	if err != nil {
		panic(fmt.Sprintf("foreign: our own bitfield: %v", err))
	}
	if c.greeted {
		for s := range have.Len() {
			if have.Has(s) {
				c.announce(s)
			} else {
				c.spans.weLost(s)
			}
		}
		return
	}
	c.greeted = true
	for s := have.NextSet(0); s >= 0; s = have.NextSet(s + 1) {
		c.spans.weGot(s)
	}
	switch {
	case c.fast && have.Full():
		c.out.put(wire.HaveAll{})
	case c.fast && have.Count() == 0:
		c.out.put(wire.HaveNone{})
	default:
		c.out.put(wire.Bitfield{Bits: c.pieces(have).Bytes()})
	}
}

// pieces are those of a set of spans.
func (c *Conn) pieces(spans artifact.Bitset) artifact.Bitset {
	m := c.cfg.Manifest
	pieces := artifact.NewBitset(m.NumPieces())
	for s := spans.NextSet(0); s >= 0; s = spans.NextSet(s + 1) {
		in := m.Span(s)
		for p := range in.Pieces {
			pieces.Set(int(in.FirstPiece + p))
		}
	}
	return pieces
}

// announce tells the client of a span of ours.
func (c *Conn) announce(span int) {
	if !c.spans.weGot(span) {
		return
	}
	in := c.cfg.Manifest.Span(span)
	for p := range in.Pieces {
		c.out.put(wire.Have{Piece: uint32(in.FirstPiece + p)})
	}
}

// interest tells the client when we begin and cease to be interested. The lock is
// held.
func (c *Conn) interest() {
	if wants := c.spans.wanted > 0; wants != c.interested && c.greeted {
		c.interested = wants
		if wants {
			c.out.put(wire.Interested{})
		} else {
			c.out.put(wire.NotInterested{})
		}
	}
}
