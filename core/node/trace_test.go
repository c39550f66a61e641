package node_test

import (
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/wire"
)

// What is traced can be written and read again, and says what happened.
func TestTraceOfEventsAndActions(t *testing.T) {
	d := artifact.Digest{7}
	for _, c := range []struct {
		event  node.Event
		action node.Action
		want   trace.Event
	}{
		{event: node.Joined{Transfer: d, Initial: true}, want: trace.Join{Initial: true}},
		{event: node.Left{Transfer: d}, want: trace.Leave{}},
		{event: node.SlotAnswered{Transfer: d, Location: "ams", Slot: 1, Held: true}, want: trace.Slot{Location: "ams", Slot: 1, Held: true}},
		{event: node.PeerConnected{Transfer: d, Peer: "a"}, want: trace.Connect{Peer: "a"}},
		{event: node.PeerDisconnected{Transfer: d, Peer: "a"}, want: trace.Disconnect{Peer: "a"}},
		{event: node.BlockReceived{Transfer: d, Peer: "a", Block: swarm.Block{Span: 3, Begin: 1, Length: 2}, Kept: true}, want: trace.Block{Peer: "a", Span: 3, Begin: 1, Length: 2, Kept: true}},
		{event: node.SpanStored{Transfer: d, Span: 3, Result: node.Stored}, want: trace.Span{Span: 3, Stored: true}},
		{event: node.SpanStored{Transfer: d, Span: 3, Result: node.Corrupt}, want: trace.Span{Span: 3, Reason: "the bytes failed verification"}},
		{event: node.MessageReceived{Transfer: d, Peer: "a", Message: wire.Start{Spans: []uint32{4}}}, want: trace.Start{Peer: "a", Spans: []uint32{4}, Received: true}},
		{action: node.Send{Transfer: d, Peer: "a", Message: wire.SpanHave{Spans: []uint32{4}}}, want: trace.Have{Peer: "a", Spans: []uint32{4}}},
		{action: node.Send{Transfer: d, Peer: "a", Message: wire.SpanRequest{Span: 1, Length: 5}}, want: trace.Request{Peer: "a", Span: 1, Length: 5}},
		{action: node.Hangup{Transfer: d, Peer: "a", Reason: "why"}, want: trace.Disconnect{Peer: "a", Reason: "why"}},
		{action: node.Completed{Transfer: d}, want: trace.Complete{}},
	} {
		got, ev, ok := node.TraceEvent(c.event)
		if c.action != nil {
			got, ev, ok = node.TraceAction(c.action)
		}
		if !ok || got != d {
			t.Errorf("%T%T is not traced", c.event, c.action)
			continue
		}
		text, err := trace.Append(nil, trace.Line{Node: "n", Transfer: got, Event: ev})
		if err != nil {
			t.Fatal(err)
		}
		want, err := trace.Append(nil, trace.Line{Node: "n", Transfer: d, Event: c.want})
		if err != nil || string(text) != string(want) {
			t.Errorf("traced %s, want %s", text, want)
		}
	}
	if _, _, ok := node.TraceEvent(node.Wake{}); ok {
		t.Error("waking up is traced")
	}
}
