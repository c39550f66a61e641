package node

import (
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// TraceEvent translates what happened into the schema that agent and simulator
// both write. ok is false for what is not traced.
func TraceEvent(ev Event) (d artifact.Digest, t trace.Event, ok bool) {
	switch ev := ev.(type) {
	case Joined:
		return ev.Transfer, trace.Join{Initial: ev.Initial}, true
	case Left:
		return ev.Transfer, trace.Leave{}, true
	case SlotAnswered:
		return ev.Transfer, trace.Slot{Location: ev.Location, Slot: ev.Slot, Held: ev.Held}, true
	case PeerConnected:
		return ev.Transfer, trace.Connect{Peer: ev.Peer}, true
	case PeerDisconnected:
		return ev.Transfer, trace.Disconnect{Peer: ev.Peer}, true
	case MessageReceived:
		t, ok = traceMessage(ev.Peer, ev.Message, true)
		return ev.Transfer, t, ok
	case BlockReceived:
		b := ev.Block
		return ev.Transfer, trace.Block{Peer: ev.Peer, Span: uint32(b.Span), Begin: uint32(b.Begin), Length: uint32(b.Length), Kept: ev.Kept}, true
	case SpanStored:
		return ev.Transfer, trace.Span{Span: uint32(ev.Span), Stored: ev.Result == Stored, Reason: ev.Result.reason()}, true
	}
	return artifact.Digest{}, nil, false
}

// TraceAction translates what was decided likewise.
func TraceAction(a Action) (d artifact.Digest, t trace.Event, ok bool) {
	switch a := a.(type) {
	case Send:
		t, ok = traceMessage(a.Peer, a.Message, false)
		return a.Transfer, t, ok
	case Hangup:
		return a.Transfer, trace.Disconnect{Peer: a.Peer, Reason: a.Reason}, true
	case Completed:
		return a.Transfer, trace.Complete{}, true
	}
	return artifact.Digest{}, nil, false
}

func traceMessage(peer unit.NodeID, m wire.Message, received bool) (trace.Event, bool) {
	about := func(spans []uint32) trace.Announcement {
		return trace.Announcement{Peer: peer, Spans: spans, Received: received}
	}
	switch m := m.(type) {
	case wire.Start:
		return trace.Start(about(m.Spans)), true
	case wire.Stop:
		return trace.Stop(about(m.Spans)), true
	case wire.SpanHave:
		return trace.Have(about(m.Spans)), true
	case wire.SpanDontHave:
		return trace.DontHave(about(m.Spans)), true
	case wire.SpanRequest:
		if !received {
			return trace.Request{Peer: peer, Span: m.Span, Begin: m.Begin, Length: m.Length}, true
		}
	}
	return nil, false
}

// reason says why a span was not stored; "" if it was.
func (r StoreResult) reason() string {
	switch r {
	case Corrupt:
		return "the bytes failed verification"
	case NotStored:
		return "the disk refused"
	}
	return ""
}
