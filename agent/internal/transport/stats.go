package transport

import (
	"sync/atomic"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Stats counts what a connection has carried since its handshakes, in bytes of
// frames and datagrams: TLS and TCP add to it on the link.
type Stats struct {
	PayloadIn, PayloadOut   int64 // of data frames; in includes what was thrown away
	OverheadIn, OverheadOut int64 // everything else
	QueuedBlocks            int   // waiting to be sent
	QueuedBytes             int64 // their payload
}

type counters struct {
	payloadIn, payloadOut, overheadIn, overheadOut atomic.Int64
	datagramsIn, datagramsOut                      atomic.Int64
}

// Stats may be called at any time, also after the end.
func (c *Conn) Stats() Stats {
	blocks, bytes := c.queue.depth()
	return Stats{
		PayloadIn: c.stats.payloadIn.Load(), PayloadOut: c.stats.payloadOut.Load(),
		OverheadIn:   c.stats.overheadIn.Load() + c.stats.datagramsIn.Load(),
		OverheadOut:  c.stats.overheadOut.Load() + c.stats.datagramsOut.Load(),
		QueuedBlocks: blocks, QueuedBytes: bytes,
	}
}

// carried is what all TCP connections of a transport have carried, from the first
// byte of their handshakes on, with TLS and without the headers below it.
type carried struct{ sent, received atomic.Int64 }

// Carried is what all TCP connections have carried so far, other BitTorrent clients'
// included: what the kernel took and gave. It may be called from any goroutine.
func (t *Transport) Carried() bandwidth.Moved {
	return bandwidth.Moved{Up: unit.Bytes(t.carried.sent.Load()), Down: unit.Bytes(t.carried.received.Load())}
}
