package node_test

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// What follows from a connection's being given up comes after what was decided
// with it: b forges leaves, so that the span is thrown away, and as b was to send
// it alone and is gone, c is asked. If c were asked first, what was begun for c
// would be thrown away.
func TestWhatFollowsFromAHangupComesAfterIt(t *testing.T) {
	a := newAlone(false)
	a.step(node.GroupChanged{Transfer: a.digest, Group: overlay.Group{Location: "ams/r1", Members: []overlay.Member{
		{Node: "b", Location: "ams/r1"}, {Node: "c", Location: "ams/r1"}, {Node: "n1", Location: "ams/r1"},
	}}})
	a.step(node.ContentReady{Transfer: a.digest, Lengths: []int32{1 << 20}, Have: artifact.NewBitset(1)})
	var asked []node.Send
	for _, id := range []unit.NodeID{"b", "c"} {
		a.step(node.PeerConnected{Transfer: a.digest, Peer: id})
		asked = append(asked, requestsIn(a.says(id, wire.SpanBitfield{Bits: []byte{0x80}}), id)...)
	}
	a.says("b", wire.SpanDontHave{Spans: []uint32{0}}) // so that c is asked for leaves first
	for _, s := range asked {
		r := s.Message.(wire.SpanRequest)
		a.step(node.BlockReceived{Transfer: a.digest, Peer: s.Peer, Kept: true,
			Block: swarm.Block{Span: 0, Begin: int32(r.Begin), Length: int32(r.Length)}})
	}
	if got := pick[node.FetchLeaves](a.step(node.SpanStored{Transfer: a.digest, Span: 0, Result: node.Corrupt})); len(got) != 1 || got[0].Peer != "c" {
		t.Fatalf("asked for leaves: %v; want c", got)
	}
	a.says("b", wire.SpanHave{Spans: []uint32{0}})
	if got := pick[node.FetchLeaves](a.step(node.LeavesReceived{Transfer: a.digest, Peer: "c", Span: 0, Result: swarm.LeavesRefused})); len(got) != 1 || got[0].Peer != "b" {
		t.Fatalf("asked for leaves: %v; want b", got)
	}
	out := a.step(node.LeavesReceived{Transfer: a.digest, Peer: "b", Span: 0, Result: swarm.LeavesForged})
	gone := slices.IndexFunc(out, func(x node.Action) bool { h, ok := x.(node.Hangup); return ok && h.Peer == "b" })
	dropped := slices.Index(out, node.Action(node.DropSpan{Transfer: a.digest, Span: 0}))
	again := slices.IndexFunc(out, func(x node.Action) bool { return len(requestsIn([]node.Action{x}, "c")) > 0 })
	if gone < 0 || dropped < gone || again < dropped {
		t.Errorf("decided %v; want b given up, the span thrown away, then c asked", out)
	}
}

// requestsIn are the requests to a peer.
func requestsIn(out []node.Action, peer unit.NodeID) []node.Send {
	return slices.DeleteFunc(pick[node.Send](out), func(s node.Send) bool {
		_, request := s.Message.(wire.SpanRequest)
		return !request || s.Peer != peer
	})
}
