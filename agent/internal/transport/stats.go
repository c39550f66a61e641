package transport

import "sync/atomic"

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
