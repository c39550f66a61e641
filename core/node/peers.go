package node

import (
	"maps"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

func sortedKeys[V any](m map[unit.NodeID]V) []unit.NodeID {
	return slices.Sorted(maps.Keys(m))
}

func (t *transfer) connected(now unit.Time, ev PeerConnected, out []Action) []Action {
	peer := ev.Peer
	if why := t.refuses(ev); why != "" {
		return append(out, Hangup{Transfer: t.digest, Peer: peer, Reason: why})
	}
	if t.peers[peer] != nil { // a new connection replaces the old one
		out = t.drop(now, peer, out)
	}
	t.peers[peer] = &early{foreign: ev.Foreign, maxRequest: ev.MaxRequest}
	info, _ := t.info(peer)
	t.peers[peer].uplinks = t.m.cfg.Location.Uplinks(info.Location)
	t.overlay.PeerUp(peer)
	if t.swarm == nil {
		return t.fetchManifest(now, out)
	}
	return t.meet(now, peer, out)
}

// meet introduces a connected peer to the swarm.
func (t *transfer) meet(now unit.Time, peer unit.NodeID, out []Action) []Action {
	info, named := t.info(peer)
	if !named {
		return out
	}
	info.MaxRequest = t.peers[peer].maxRequest
	t.swarm.PeerJoined(now, info)
	out = t.send(peer, wire.SpanBitfield{Bits: t.swarm.Have().Bytes()}, out)
	if started := t.swarm.Started(); len(started) > 0 {
		out = t.send(peer, wire.Start{Spans: started}, out)
	}
	if bits := t.peers[peer].bits; bits != nil {
		t.peers[peer].bits = nil
		return t.bitfield(now, peer, bits, out)
	}
	return out
}

func (t *transfer) disconnected(now unit.Time, peer unit.NodeID, out []Action) []Action {
	t.overlay.PeerDown(now, peer)
	return t.drop(now, peer, out)
}

// drop forgets a peer's connection.
func (t *transfer) drop(now unit.Time, peer unit.NodeID, out []Action) []Action {
	if t.peers[peer] == nil {
		return out
	}
	delete(t.peers, peer)
	t.m.uploads.dropPeer(t.digest, peer)
	if t.swarm != nil {
		return t.swarmActions(now, t.swarm.PeerLeft(now, peer, nil), out)
	}
	t.manifest.peerLeft(peer)
	return t.fetchManifest(now, out)
}

// message handles a peer's control message. Before the manifest is known only
// what the peer has is kept, for later.
func (t *transfer) message(now unit.Time, peer unit.NodeID, msg wire.Message, out []Action) []Action {
	if t.peers[peer] == nil {
		return out
	}
	switch msg := msg.(type) {
	case wire.ManifestRequest:
		return t.manifestWanted(peer, msg, out)
	case wire.ManifestData:
		return t.manifestData(now, peer, msg, out)
	case wire.ManifestReject:
		return t.manifestRefused(now, peer, out)
	}
	if t.swarm == nil {
		t.peers[peer].note(msg)
		return out
	}
	switch msg := msg.(type) {
	case wire.SpanBitfield:
		return t.bitfield(now, peer, msg.Bits, out)
	case wire.SpanRequest:
		return t.swarmActions(now, t.swarm.PeerWants(now, peer, block(msg.Span, msg.Begin, msg.Length), nil), out)
	case wire.SpanCancel:
		return t.cancelled(peer, block(msg.Span, msg.Begin, msg.Length), out)
	case wire.SpanReject:
		return t.rejected(now, peer, msg, out)
	case wire.SpanDontHave:
		// While it had the spans it was not told who else has them.
		out = t.send(peer, wire.SpanBitfield{Bits: t.swarm.Have().Bytes()}, out)
	}
	return t.swarmActions(now, t.announced(now, peer, msg), out)
}

// announced passes what a peer says about spans to the swarm.
func (t *transfer) announced(now unit.Time, peer unit.NodeID, msg wire.Message) []swarm.Action {
	switch msg := msg.(type) {
	case wire.SpanHave:
		return t.swarm.PeerGot(now, peer, msg.Spans, nil)
	case wire.SpanDontHave:
		return t.swarm.PeerLost(now, peer, msg.Spans, nil)
	case wire.Start:
		return t.swarm.PeerStarted(now, peer, msg.Spans, nil)
	case wire.Stop:
		return t.swarm.PeerStopped(now, peer, msg.Spans, nil)
	case wire.SpanSuspect:
		return t.swarm.PeerSuspects(now, peer, msg.Spans, nil)
	}
	return nil
}

// block converts the fields of a message. Numbers beyond int32 become a block
// that no span contains.
func block(span, begin, length uint32) swarm.Block {
	const top = 1<<31 - 1
	if span > top || begin > top || length > wire.MaxRequest {
		return swarm.Block{Span: -1}
	}
	return swarm.Block{Span: int32(span), Begin: int32(begin), Length: int32(length)}
}

func (t *transfer) bitfield(now unit.Time, peer unit.NodeID, bits []byte, out []Action) []Action {
	have, err := artifact.ParseBitset(bits, t.swarm.Spans())
	if err != nil {
		out = append(out, Hangup{Transfer: t.digest, Peer: peer, Reason: "sent a bitfield of another size: " + err.Error(), Ban: true})
		return t.disconnected(now, peer, out)
	}
	return t.swarmActions(now, t.swarm.PeerHas(now, peer, have, nil), out)
}

func (t *transfer) cancelled(peer unit.NodeID, b swarm.Block, out []Action) []Action {
	if t.m.uploads.cancel(SendBlock{t.digest, peer, b}) {
		return out
	}
	return append(out, CancelBlock{t.digest, peer, b})
}

// rejected handles a refusal. Who has a span no longer is not asked for it.
func (t *transfer) rejected(now unit.Time, peer unit.NodeID, msg wire.SpanReject, out []Action) []Action {
	b := block(msg.Span, msg.Begin, msg.Length)
	retry := time.Duration(min(msg.RetryAfterMs, 60_000)) * time.Millisecond
	if msg.Reason == wire.ReasonPaused {
		t.swarm.PeerPaused(now, peer, retry)
	}
	out = t.swarmActions(now, t.swarm.Refused(now, peer, b, retry, nil), out)
	if msg.Reason == wire.ReasonNotHeld || msg.Reason == wire.ReasonReadFailed {
		return t.swarmActions(now, t.swarm.PeerLost(now, peer, []uint32{msg.Span}, nil), out)
	}
	return out
}

// note keeps what a peer has until the manifest is known. The bits are bounded
// by wire.MaxBitfield; a HAVE beyond that is left out and costs a request less.
func (e *early) note(msg wire.Message) {
	switch msg := msg.(type) {
	case wire.SpanBitfield:
		e.bits = msg.Bits
	case wire.SpanHave:
		for _, x := range msg.Spans {
			if i := int(x / 8); i < len(e.bits) {
				e.bits[i] |= 0x80 >> (x % 8)
			}
		}
	case wire.SpanDontHave:
		for _, x := range msg.Spans {
			if i := int(x / 8); i < len(e.bits) {
				e.bits[i] &^= 0x80 >> (x % 8)
			}
		}
	}
}
