package sim

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// What an agent takes for things that are not in the machine.
const (
	// planTime is from hearing of the distribution to joining, prepareTime from
	// the manifest to a staging directory, installTime from the last span to the
	// status in the store.
	planTime    = 10 * time.Millisecond
	prepareTime = 20 * time.Millisecond
	installTime = 50 * time.Millisecond
	// manifestTime is its check, handshakeTime the arithmetic of TLS.
	manifestTime  = 2 * time.Millisecond
	handshakeTime = 3 * time.Millisecond
	// spanTime and diskRate are what hashing and writing a span take.
	spanTime = 300 * time.Microsecond
	diskRate = unit.Rate(400 << 20)
	// strangerPatience is how long a connection waits to be named (loop).
	strangerPatience = 2 * time.Second
	banTime          = 10 * time.Minute
)

// host is a machine with its agent.
type host struct {
	sim      *simulation
	id       unit.NodeID   // of the agent
	node     unit.NodeID   // of the scenario
	location unit.Location // that the agent states
	place    *place
	initial  bool
	receiver bool
	corrupt  bool // sends wrong bytes and says that they are right

	machine *node.Machine // nil while the agent does not run
	life    int           // counts its starts: what was under way for an earlier one is lost
	conns   map[unit.NodeID]*stream
	banned  map[unit.NodeID]unit.Time
	buffers map[int32][]grain // of the spans being received
	disk    artifact.Bitset
	free    unit.Time // when the disk has written what it was given
	wakeAt  unit.Time
	away    bool // the store does not answer

	lines trace.Clock // of the trace

	killed   bool // and not started again
	finished bool
	finish   unit.Time
	past     swarm.Counters // of earlier lives
}

// grain is what has arrived of a span, swarm.Grain bytes at a time.
type grain uint8

const (
	missing grain = iota
	right
	wrong
)

// start brings the agent up with what is on its disk.
func (h *host) start() {
	s := h.sim
	h.life++
	h.killed = false
	h.conns, h.banned = map[unit.NodeID]*stream{}, map[unit.NodeID]unit.Time{}
	h.buffers = map[int32][]grain{}
	h.wakeAt = unit.Never
	h.machine = node.New(s.now, s.config(h))
	if h.away {
		h.step(node.StoreDown{})
	}
	if s.aware != nil {
		s.aware.share(h)
	}
	h.step(node.Joined{Transfer: s.digest, Initial: h.initial})
	if h.initial || h.disk.Count() > 0 {
		h.step(node.ContentReady{Transfer: s.digest, Lengths: s.lengths, Have: h.disk.Clone()})
	}
}

// kill ends the agent at once; its kernel closes the connections. One that has yet to
// hear of the distribution does not.
func (h *host) kill() {
	h.killed = true
	if h.machine == nil {
		return
	}
	h.past = h.counters()
	h.machine = nil
	for _, id := range sortedKeys(h.conns) {
		h.hangup(id)
	}
	h.sim.store.forget(h)
}

// counters are those of all lives.
func (h *host) counters() swarm.Counters {
	sum := h.past
	if h.machine == nil {
		return sum
	}
	st, _ := h.machine.Status(h.sim.digest)
	sum.Received += st.Counters.Received
	sum.Duplicate += st.Counters.Duplicate
	sum.Sent += st.Counters.Sent
	return sum
}

// step has the machine take an event into account and does what it decides.
func (h *host) step(ev node.Event) {
	h.saw(ev)
	actions := h.machine.Step(h.sim.now, ev, nil)
	for _, a := range h.machine.Flush(h.sim.now, actions) {
		h.did(a)
		h.perform(a)
	}
	h.arm()
}

// later steps the machine after a while, unless the agent died meanwhile.
func (h *host) later(d time.Duration, ev node.Event) { h.then(d, func() { h.step(ev) }) }

// then has do happen after a while, unless the agent died meanwhile.
func (h *host) then(d time.Duration, do func()) {
	life := h.life
	h.sim.after(d, func() {
		if h.machine != nil && h.life == life {
			do()
		}
	})
}

// arm sees to it that the machine is woken at its deadline.
func (h *host) arm() {
	at := h.machine.NextDeadline(h.sim.now)
	if at == unit.Never || h.wakeAt > h.sim.now && h.wakeAt <= at {
		return
	}
	at = max(at, h.sim.now)
	h.wakeAt = at
	h.then(at.Sub(h.sim.now), func() {
		if h.wakeAt == at {
			h.wakeAt = unit.Never
			h.step(node.Wake{})
		}
	})
}

// perform does what the machine decided.
func (h *host) perform(a node.Action) {
	s := h.sim
	switch a := a.(type) {
	case node.JoinGroup:
		s.store.join(h, a)
	case node.LeaveGroup:
		s.store.leave(h, a.Location)
	case node.ClaimSlot:
		s.store.claim(h, a)
	case node.Dial:
		h.dial(s.hosts[a.Peer])
	case node.Hangup:
		if a.Ban {
			h.banned[a.Peer] = s.now.Add(banTime)
		}
		h.hangup(a.Peer)
	case node.Send:
		h.send(a)
	case node.SendBlock:
		if to := h.conns[a.Peer]; to != nil {
			to.putBlock(a.Block)
		}
	case node.CancelBlock:
		if to := h.conns[a.Peer]; to != nil {
			to.cancel(a.Block)
		}
	case node.SendManifest:
		h.sendManifest(a)
	case node.ManifestFetched:
		h.later(manifestTime, node.ManifestVerified{Transfer: s.digest})
		h.then(manifestTime+prepareTime, func() {
			h.step(node.ContentReady{Transfer: s.digest, Lengths: s.lengths, Have: h.disk.Clone()})
		})
	case node.Completed:
		h.complete()
	default:
		h.performContent(a)
	}
}

// performContent does what concerns the content.
func (h *host) performContent(a node.Action) {
	switch a := a.(type) {
	case node.StoreSpan:
		h.store(a.Span)
	case node.DropSpan:
		delete(h.buffers, a.Span)
	case node.DropBlock:
		clear(h.grains(a.Block))
	case node.VerifySpan:
		h.later(h.writes(a.Span), node.SpanVerified{Transfer: h.sim.digest, Span: a.Span, Good: true})
	case node.FetchLeaves:
		h.fetchLeaves(a)
	case node.SendLeaves:
		h.sendLeaves(a)
	}
}

func (h *host) send(a node.Send) {
	to := h.conns[a.Peer]
	if to == nil {
		return
	}
	switch m := a.Message.(type) {
	case wire.SpanRequest:
		if span := int32(m.Span); h.buffers[span] == nil {
			h.buffers[span] = make([]grain, (h.sim.lengths[span]+swarm.Grain-1)/swarm.Grain)
		}
	case wire.HashReject: // the loop of the peer makes an event of it
		h.answerLeaves(to.to, node.LeavesReceived{Transfer: h.sim.digest, Peer: h.id, Span: int32(m.Index), Result: swarm.LeavesRefused})
		return
	}
	to.put(a.Message)
}

// receive gets a frame from a peer.
func (h *host) receive(from *host, f frame) {
	if h.machine == nil {
		return
	}
	kept := false
	if f.message == nil {
		kept = h.keep(from, f.block)
		h.sim.received += unit.Bytes(f.block.Length)
	} else if _, is := f.message.(wire.Start); is {
		way := scenario.StartWay{From: from.node, To: h.node, Took: h.sim.now.Sub(f.made)}
		h.sim.startWays = append(h.sim.startWays, way)
	}
	h.step(f.event(h, from.id, kept))
}

// keep puts a block into the buffer of its span, if it has a place there.
func (h *host) keep(from *host, b swarm.Block) bool {
	into := h.grains(b)
	if into == nil || slices.ContainsFunc(into, func(g grain) bool { return g != missing }) {
		return false
	}
	for i := range into {
		into[i] = right
		if from.corrupt {
			into[i] = wrong
		}
	}
	return true
}

// grains are what is there of a block; nil if the span is not being received.
func (h *host) grains(b swarm.Block) []grain {
	buf := h.buffers[b.Span]
	if buf == nil {
		return nil
	}
	return buf[b.Begin/swarm.Grain : (b.Begin+b.Length+swarm.Grain-1)/swarm.Grain]
}

// blockSent tells the machine that a block went into the kernel.
func (h *host) blockSent(to *host, b swarm.Block) {
	if h.machine != nil {
		h.machine.Step(h.sim.now, node.BlockSent{Transfer: h.sim.digest, Peer: to.id, Length: b.Length}, nil)
	}
}

// writes is how long until the disk has taken a span beside all that it was given.
func (h *host) writes(span int32) time.Duration {
	now := h.sim.now
	h.free = max(h.free, now).Add(spanTime + unit.Bytes(h.sim.lengths[span]).Over(diskRate))
	return h.free.Sub(now)
}

// store verifies and writes a span.
func (h *host) store(span int32) {
	h.then(h.writes(span), func() {
		ev := node.SpanStored{Transfer: h.sim.digest, Span: span, Result: node.Corrupt}
		if !slices.Contains(h.buffers[span], wrong) {
			ev.Result = node.Stored
			h.disk.Set(int(span))
			delete(h.buffers, span)
		}
		h.step(ev)
	})
}

// complete installs what is here; the run waits for the status in the store.
func (h *host) complete() {
	if !h.receiver || h.finished {
		return
	}
	h.then(installTime, func() {
		if !h.finished {
			h.finished, h.finish = true, h.sim.now.Add(oneWay(h.up()))
			h.sim.done(h)
		}
	})
}

// sendManifest serves a part of the manifest.
func (h *host) sendManifest(a node.SendManifest) {
	to := h.conns[a.Peer]
	if to == nil {
		return
	}
	total := h.sim.manifest
	end := min(a.Offset+a.Length, total)
	if a.Offset >= end {
		to.put(wire.ManifestReject{})
		return
	}
	to.put(wire.ManifestData{Total: total, Offset: a.Offset, Data: make([]byte, end-a.Offset)})
}

// fetchLeaves asks a peer for the leaves of a span.
func (h *host) fetchLeaves(a node.FetchLeaves) {
	to := h.conns[a.Peer]
	if to == nil {
		return
	}
	to.to.later(oneWay(to.path), node.LeavesWanted{
		Transfer: h.sim.digest, Peer: h.id, Length: h.sim.lengths[a.Span],
		Request: wire.HashRequest{HashRange: wire.HashRange{Index: uint32(a.Span)}},
		Places:  []swarm.LeafPlace{{Piece: a.Span, Span: a.Span}},
	})
}

// sendLeaves has a peer learn what is wrong. Who sends wrong bytes forges leaves.
func (h *host) sendLeaves(a node.SendLeaves) {
	to := h.conns[a.Peer]
	if to == nil {
		return
	}
	span := a.Place.Span
	ev := node.LeavesReceived{Transfer: h.sim.digest, Peer: h.id, Span: span, Result: swarm.LeavesProven}
	if h.corrupt {
		ev.Result = swarm.LeavesForged
		h.answerLeaves(to.to, ev)
		return
	}
	for i, g := range to.to.buffers[span] {
		if begin := int32(i) * swarm.Grain; g == wrong {
			ev.Wrong = append(ev.Wrong, swarm.Block{Span: span, Begin: begin, Length: min(swarm.Grain, h.sim.lengths[span]-begin)})
		}
	}
	h.answerLeaves(to.to, ev)
}

func (h *host) answerLeaves(to *host, ev node.LeavesReceived) {
	to.later(oneWay(h.conns[to.id].path), ev)
}

// up and down are the ways to the store and from it.
func (h *host) up() []*link   { return route(h.place, h.sim.net.root) }
func (h *host) down() []*link { return route(h.sim.net.root, h.place) }
