package node

import (
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// The machine knows spans, not pieces and hashes: whom to ask for leaves, whom to
// give some and who is to blame is decided here; the caller translates, hashes and
// compares.

// FetchLeaves asks a peer for the hashes of the leaves of what is wrong of a span,
// whose bytes the caller keeps. LeavesReceived brings the result, unless another
// FetchLeaves, DropSpan or DropBlock of the span makes it superfluous.
type FetchLeaves struct {
	Transfer artifact.Digest
	Peer     unit.NodeID
	Span     int32
}

// LeavesReceived is the answer to a FetchLeaves. Wrong are the parts of the span
// that are proven wrong, each of which is one peer's fault or, if several sent
// parts of it, that of any of them.
type LeavesReceived struct {
	Transfer artifact.Digest
	Peer     unit.NodeID
	Span     int32
	Result   swarm.LeavesResult
	Wrong    []swarm.Block
}

// DropBlock throws away what arrived of a part of a span. The rest stays.
type DropBlock struct {
	Transfer artifact.Digest
	Block    swarm.Block
}

// LeavesWanted says that a peer asks for the leaves of a piece of Length bytes,
// which is in Places. SendLeaves, or a HashReject, answers it.
type LeavesWanted struct {
	Transfer artifact.Digest
	Peer     unit.NodeID
	Request  wire.HashRequest
	Places   []swarm.LeafPlace
	Length   int32
}

// SendLeaves gives a peer the hashes of a piece's leaves, from the disk, if they
// are right; otherwise it refuses, and SpanDoubted follows.
type SendLeaves struct {
	Transfer artifact.Digest
	Peer     unit.NodeID
	Request  wire.HashRequest
	Place    swarm.LeafPlace
}

// SpanDoubted says that a span that is here could not be read, or is wrong.
type SpanDoubted struct {
	Transfer artifact.Digest
	Span     int32
}

func (FetchLeaves) isAction()   {}
func (DropBlock) isAction()     {}
func (SendLeaves) isAction()    {}
func (LeavesReceived) isEvent() {}
func (LeavesWanted) isEvent()   {}
func (SpanDoubted) isEvent()    {}

func (t *transfer) leavesReceived(now unit.Time, ev LeavesReceived, out []Action) []Action {
	if t.swarm == nil {
		return out
	}
	return t.swarmActions(now, t.swarm.Leaves(now, ev.Peer, ev.Span, ev.Result, ev.Wrong, nil), out)
}

func (t *transfer) leavesWanted(now unit.Time, ev LeavesWanted, out []Action) []Action {
	if t.peers[ev.Peer] == nil {
		return out
	}
	if t.swarm != nil {
		if place, ok := t.swarm.PeerWantsLeaves(now, ev.Peer, ev.Places, ev.Length); ok {
			return append(out, SendLeaves{t.digest, ev.Peer, ev.Request, place})
		}
	}
	return t.send(ev.Peer, wire.HashReject(ev.Request), out)
}

func (t *transfer) spanDoubted(now unit.Time, ev SpanDoubted, out []Action) []Action {
	if t.swarm == nil {
		return out
	}
	return t.swarmActions(now, t.swarm.Doubted(ev.Span, nil), out)
}
