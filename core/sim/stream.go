package sim

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// conn is a connection: a stream each way.
type conn struct {
	ends [2]*stream // ends[0] is the dialler's
	open bool
}

// stream is one direction of a connection.
type stream struct {
	flow
	net      *network
	conn     *conn
	from, to *host
	// control and blocks wait for room in the kernel, which sends in order.
	control, blocks, kernel []frame
	unsent                  float64 // bytes in the kernel
	sent                    float64 // of its first frame
	until                   unit.Time
	arrived                 unit.Time // when what was sent last arrives
}

// frame is a message or a block on its way.
type frame struct {
	size    float64 // bytes, all heads included
	message wire.Message
	block   swarm.Block // if there is no message
	made    unit.Time
}

// newStream is a direction of a connection.
func newStream(n *network, from, to *host) *stream {
	s := &stream{net: n, from: from, to: to}
	s.flow.stream = s
	s.reroute(route(from.place, to.place), route(to.place, from.place), hostRate)
	return s
}

// put sends a control message, ahead of all blocks that wait.
func (s *stream) put(m wire.Message) {
	f := frame{size: sizeOf(m), message: m, made: s.net.clock.now}
	if len(s.kernel) > 0 || blocked(s.path) {
		s.control = append(s.control, f)
		s.fill()
		return
	}
	note(s.path, f.size)
	s.arrive(s.net.clock.now, f)
}

// putBlock queues a block.
func (s *stream) putBlock(b swarm.Block) {
	s.blocks = append(s.blocks, frame{size: onWire(float64(b.Length) + blockHead), block: b, made: s.net.clock.now})
	s.fill()
}

// cancel takes a block back that waits.
func (s *stream) cancel(b swarm.Block) {
	s.blocks = slices.DeleteFunc(s.blocks, func(f frame) bool { return f.block == b })
}

// fill hands frames to the kernel, and has it send.
func (s *stream) fill() {
	s.commit()
	now := s.net.clock.now
	switch {
	case len(s.kernel) == 0:
	case s.active:
		s.send(max(now, s.until), s.net.end)
	default:
		s.open = s.stop > 0 && now.Sub(s.stop) < idleRestart+s.rtt
		s.until = now
		s.net.begin(&s.flow)
	}
}

// commit hands frames to the kernel while it takes some.
func (s *stream) commit() {
	for s.unsent < min(max(s.rate*unsentTime.Seconds(), leastUnsent), lowat) {
		q := &s.control
		if len(*q) == 0 {
			q = &s.blocks
		}
		if len(*q) == 0 {
			return
		}
		f := (*q)[0]
		*q = (*q)[1:]
		s.kernel = append(s.kernel, f)
		s.unsent += f.size
		if f.message == nil {
			s.from.blockSent(s.to, f.block)
		}
	}
}

// drain sends what the kernel has from one time to another.
func (s *stream) drain(from, to unit.Time) {
	for len(s.kernel) > 0 && from < to {
		f := s.kernel[0]
		takes := time.Duration((f.size-s.sent)/s.rate*float64(time.Second)) + 1
		if from.Add(takes) > to {
			part := s.rate * to.Sub(from).Seconds()
			s.pass(min(part, f.size-s.sent))
			from = to
			break
		}
		from = from.Add(takes)
		s.pass(f.size - s.sent)
		s.kernel, s.sent = s.kernel[1:], 0
		s.arrive(from, f)
		s.commit()
	}
	s.until, s.stop = from, from
}

// pass counts bytes that have left the kernel.
func (s *stream) pass(bytes float64) {
	s.sent += bytes
	s.unsent -= bytes
	s.carry(bytes)
}

// arrive has the peer get a frame that was sent at a time, after all before it.
func (s *stream) arrive(sent unit.Time, f frame) {
	s.arrived = max(sent.Add(oneWay(s.path)), s.arrived+1)
	s.net.clock.at(s.arrived, func() {
		if s.conn.open {
			s.to.receive(s.from, f)
		}
	})
}

// Sizes of what surrounds payload, in bytes.
const (
	blockHead  = 19      // of a data frame
	recordHead = 22      // of a TLS record, with its tag
	record     = 1 << 14 // what a TLS record holds
	frameHead  = 7       // length, id and kind of a message
)

// onWire adds the heads of TLS records.
func onWire(n float64) float64 { return n + recordHead*float64(1+int(n/record)) }

// sizeOf is what a message takes on a stream, nearly.
func sizeOf(m wire.Message) float64 {
	n := 12
	switch m := m.(type) {
	case wire.SpanHave:
		n = 4 * len(m.Spans)
	case wire.SpanDontHave:
		n = 4 * len(m.Spans)
	case wire.Start:
		n = 4 * len(m.Spans)
	case wire.Stop:
		n = 4 * len(m.Spans)
	case wire.SpanSuspect:
		n = 4 * len(m.Spans)
	case wire.SpanBitfield:
		n = len(m.Bits)
	case wire.ManifestData:
		n = len(m.Data)
	}
	return onWire(float64(frameHead + n))
}

// event is what a frame is to the machine that gets it.
func (f frame) event(h *host, from unit.NodeID, kept bool) node.Event {
	if f.message != nil {
		return node.MessageReceived{Transfer: h.sim.digest, Peer: from, Message: f.message}
	}
	return node.BlockReceived{Transfer: h.sim.digest, Peer: from, Block: f.block, Kept: kept}
}
