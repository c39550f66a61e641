package loop

import (
	"net"

	"github.com/rackswarm/rackswarm/agent/internal/foreign"
	"github.com/rackswarm/rackswarm/agent/internal/transport"
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// conn is a connection to a peer, as transport.Conn describes it: an agent's, or
// another BitTorrent client's in the same words.
type conn interface {
	Peer() unit.NodeID
	Digest() artifact.Digest
	Addr() net.Addr
	Inbound() bool
	MaxRequest() uint32
	Run(sink transport.Sink) error
	Send(m wire.Message)
	SendSpan(span, begin, length uint32, read func(buf []byte) error)
	CancelSpan(span, begin, length uint32)
	Close(reason error)
	Done() <-chan struct{}
	Stats() transport.Stats
}

var (
	_ conn = (*transport.Conn)(nil)
	_ conn = foreignConn{}
)

// foreignConn is a foreign.Conn with transport's sink.
type foreignConn struct{ *foreign.Conn }

func (c foreignConn) Run(sink transport.Sink) error { return c.Conn.Run(foreignSink{sink}) }

// foreignSink is transport's sink without the connection, which link does not look
// at.
type foreignSink struct{ sink transport.Sink }

func (s foreignSink) Message(m wire.Message) { s.sink.Message(nil, m) }

func (s foreignSink) Block(span, begin, length uint32) []byte {
	return s.sink.Block(nil, span, begin, length)
}

func (s foreignSink) BlockDone(span, begin, length uint32, kept bool) {
	s.sink.BlockDone(nil, span, begin, length, kept)
}
