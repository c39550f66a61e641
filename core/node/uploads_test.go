package node_test

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// giver is a machine that has everything, may send a mebibyte per second, and is
// connected to greedy and modest.
func giver(t *testing.T) (*node.Machine, artifact.Digest) {
	t.Helper()
	d := artifact.Digest{8}
	m := node.New(0, node.Config{Self: "self", Location: "r", Download: unit.Unlimited, Upload: 1 << 20})
	m.Step(0, node.Joined{Transfer: d}, nil)
	m.Step(0, node.ContentReady{Transfer: d, Lengths: []int32{16 << 20}, Have: artifact.All(1)}, nil)
	m.Step(0, node.GroupChanged{Transfer: d, Group: overlay.Group{Location: "r", Members: []overlay.Member{
		{Node: "greedy", Location: "r"}, {Node: "modest", Location: "r"}, {Node: "self", Location: "r"},
	}}}, nil)
	for _, peer := range []unit.NodeID{"greedy", "modest"} {
		m.Step(0, node.PeerConnected{Transfer: d, Peer: peer}, nil)
	}
	return m, d
}

func want(m *node.Machine, d artifact.Digest, peer unit.NodeID, begin, length uint32) []node.Action {
	return m.Step(0, node.MessageReceived{Transfer: d, Peer: peer, Message: wire.SpanRequest{Begin: begin, Length: length}}, nil)
}

// Who asks for more than may wait is told to ask later, and does not keep others
// from their turn.
func TestUploadsTakeTurns(t *testing.T) {
	m, d := giver(t)
	const block = 256 << 10
	refused := 0
	for i := range uint32(40) {
		for _, a := range want(m, d, "greedy", i*block, block) {
			send, ok := a.(node.Send)
			if !ok {
				t.Fatalf("a request too many: %v", a)
			}
			r, ok := send.Message.(wire.SpanReject)
			if !ok || r.Reason != wire.ReasonBusy || r.RetryAfterMs < 50 || r.RetryAfterMs > 2000 {
				t.Fatalf("a request too many is answered %+v", send.Message)
			}
			refused++
		}
	}
	if refused != 40-16 {
		t.Fatalf("%d of 40 requests of 256 KiB refused; 4 MiB may wait", refused)
	}
	want(m, d, "modest", 0, block)
	want(m, d, "modest", block, block)
	var order []unit.NodeID
	for now := unit.Time(0); len(order) < 18 && now < unit.Time(time.Minute); now = now.Add(100 * time.Millisecond) {
		for _, a := range m.Flush(now, nil) {
			if b, ok := a.(node.SendBlock); ok {
				order = append(order, b.Peer)
			}
		}
	}
	if len(order) != 18 || order[1] != "modest" || order[3] != "modest" {
		t.Errorf("served in the order %v", order)
	}
}

// What a swarm asks of a peer at a time may wait here, however small the requests.
func TestOwnRequestsMayWait(t *testing.T) {
	m, d := giver(t)
	for at := uint32(0); at < swarm.MostOwed; at += swarm.Grain {
		if out := want(m, d, "modest", at, swarm.Grain); len(out) > 0 {
			t.Fatalf("after %d of %d bytes: %v", at, swarm.MostOwed, out)
		}
	}
}

// What is cancelled is not sent, and makes room.
func TestCancelledUpload(t *testing.T) {
	m, d := giver(t)
	for i := range uint32(4) {
		want(m, d, "greedy", i<<20, 1<<20)
	}
	if out := want(m, d, "greedy", 4<<20, 1<<20); len(out) != 1 {
		t.Fatalf("four mebibytes wait, and one more is taken: %v", out)
	}
	for i := range uint32(4) {
		m.Step(0, node.MessageReceived{Transfer: d, Peer: "greedy", Message: wire.SpanCancel{Begin: i << 20, Length: 1 << 20}}, nil)
	}
	if out := m.Flush(0, nil); len(out) != 0 {
		t.Fatalf("cancelled, yet %v", out)
	}
	if out := want(m, d, "greedy", 4<<20, 1<<20); len(out) != 0 {
		t.Errorf("nothing waits, yet %v", out)
	}
}

// A peer that asks for single bytes has no longer a queue than others.
func TestTinyRequestsAreBounded(t *testing.T) {
	m, d := giver(t)
	waiting := 0
	for i := range uint32(5000) {
		sent := false
		for _, a := range want(m, d, "greedy", i, 1) {
			_, refused := a.(node.Send)
			sent = sent || refused
		}
		if !sent {
			waiting++
		}
	}
	if waiting > 1024 {
		t.Errorf("%d requests of a byte wait", waiting)
	}
}
