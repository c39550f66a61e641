package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// unitOfWork is what the benchmarks count in: ns/op is the time per 128 KiB.
const unitOfWork = 128 << 10

// source is a machine among peers that have everything and deliver at once.
type source struct {
	machine *node.Machine
	digest  artifact.Digest
	now     unit.Time
	lengths []int32
	actions []node.Action
	asked   []node.BlockReceived
	stored  []int32
	moved   int64
}

func newSource(b *testing.B, spans int, length int32, peers int) *source {
	b.Helper()
	s := &source{digest: artifact.Digest{3}, lengths: make([]int32, spans)}
	for i := range s.lengths {
		s.lengths[i] = length
	}
	s.machine = node.New(0, node.Config{Self: "self", Location: "r", Download: unit.Unlimited, Upload: unit.Unlimited})
	s.step(node.Joined{Transfer: s.digest})
	s.step(node.ContentReady{Transfer: s.digest, Lengths: s.lengths, Have: artifact.NewBitset(spans)})
	var members []overlay.Member
	for i := range peers {
		members = append(members, overlay.Member{Node: unit.NodeID(fmt.Sprintf("n%03d", i)), Location: "r"})
	}
	members = append(members, overlay.Member{Node: "self", Location: "r"})
	s.step(node.GroupChanged{Transfer: s.digest, Group: overlay.Group{Location: "r", Version: 1, Members: members}})
	for _, m := range members[:peers] {
		s.step(node.PeerConnected{Transfer: s.digest, Peer: m.Node, MaxRequest: wire.MaxRequest})
		s.step(node.MessageReceived{Transfer: s.digest, Peer: m.Node, Message: wire.SpanBitfield{Bits: artifact.All(spans).Bytes()}})
	}
	return s
}

func (s *source) step(ev node.Event) {
	s.actions = s.machine.Step(s.now, ev, s.actions[:0])
	s.note()
}

func (s *source) note() {
	for _, a := range s.actions {
		switch a := a.(type) {
		case node.Send:
			if r, ok := a.Message.(wire.SpanRequest); ok {
				s.asked = append(s.asked, node.BlockReceived{
					Transfer: s.digest, Peer: a.Peer, Kept: true,
					Block: swarm.Block{Span: int32(r.Span), Begin: int32(r.Begin), Length: int32(r.Length)},
				})
			}
		case node.StoreSpan:
			s.stored = append(s.stored, a.Span)
		}
	}
}

// turn delivers what was asked for and reports what it stored, as one turn of a
// loop does with what is at hand.
func (s *source) turn() {
	s.now = s.now.Add(time.Millisecond)
	n := min(len(s.asked), 8)
	for _, ev := range s.asked[:n] {
		s.moved += int64(ev.Block.Length)
		s.step(ev)
	}
	s.asked = append(s.asked[:0], s.asked[n:]...)
	for _, x := range s.stored {
		s.step(node.SpanStored{Transfer: s.digest, Span: x, Result: node.Stored})
	}
	s.stored = s.stored[:0]
	if len(s.asked) == 0 {
		if st, _ := s.machine.Status(s.digest); st.Complete {
			s.step(node.ContentChanged{Transfer: s.digest, Have: artifact.NewBitset(len(s.lengths))})
		} else {
			s.step(node.Wake{})
		}
	}
	s.actions = s.machine.Flush(s.now, s.actions[:0])
	s.note()
}

// BenchmarkStepReceive is what a receiver's machine costs for each 128 KiB: its
// requests, their data, STARTs, and the storing of spans.
func BenchmarkStepReceive(b *testing.B) {
	for _, c := range []struct {
		name   string
		spans  int
		length int32
		peers  int
	}{
		{"one_peer_1MiB", 2048, 1 << 20, 1},
		{"one_peer_16MiB", 512, 16 << 20, 1},
		{"40_peers_1MiB", 2048, 1 << 20, 40},
		{"40_peers_tree", 1300, 190_000, 40},
		{"40_peers_4000_spans", 4000, 512 << 10, 40},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newSource(b, c.spans, c.length, c.peers)
			b.ReportAllocs()
			b.ResetTimer()
			for start := s.moved; s.moved-start < int64(b.N)*unitOfWork; {
				s.turn()
			}
		})
	}
}

// BenchmarkStepServe is what a sender's machine costs for each 128 KiB.
func BenchmarkStepServe(b *testing.B) {
	const spans, length, request = 2048, 1 << 20, unitOfWork
	s := newSource(b, spans, length, 6)
	s.step(node.ContentChanged{Transfer: s.digest, Have: artifact.All(spans)})
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		at := i % (spans * length / request)
		s.step(node.MessageReceived{
			Transfer: s.digest, Peer: unit.NodeID([]string{"n000", "n001", "n002", "n003", "n004", "n005"}[i%6]),
			Message: wire.SpanRequest{Span: uint32(at * request / length), Begin: uint32(at * request % length), Length: request},
		})
		if i%8 == 7 {
			s.actions = s.machine.Flush(s.now, s.actions[:0])
		}
	}
}
