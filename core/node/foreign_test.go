package node_test

import (
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// alone is a machine in a transfer that no other node takes part in.
type alone struct {
	*node.Machine
	digest artifact.Digest
	now    unit.Time
}

func newAlone(initial bool) *alone {
	a := &alone{digest: artifact.Digest{1}, now: 1}
	a.Machine = node.New(a.now, node.Config{Self: "n1", Location: "ams/r1", Download: unit.Unlimited, Upload: unit.Unlimited})
	a.step(node.Joined{Transfer: a.digest, Initial: initial})
	return a
}

// step returns what the machine does about an event in one turn.
func (a *alone) step(ev node.Event) []node.Action {
	a.now++
	return a.Flush(a.now, a.Step(a.now, ev, nil))
}

func (a *alone) ready(have artifact.Bitset) []node.Action {
	return a.step(node.ContentReady{Transfer: a.digest, Lengths: []int32{256 << 10, 256 << 10}, Have: have})
}

func (a *alone) says(peer unit.NodeID, m wire.Message) []node.Action {
	return a.step(node.MessageReceived{Transfer: a.digest, Peer: peer, Message: m})
}

// pick returns the actions of one kind.
func pick[A node.Action](actions []node.Action) (found []A) {
	for _, a := range actions {
		if x, ok := a.(A); ok {
			found = append(found, x)
		}
	}
	return found
}

func TestForeignPeerIsLetInOnceTheContentIsReady(t *testing.T) {
	a := newAlone(false)
	early := a.step(node.PeerConnected{Transfer: a.digest, Peer: "foreign:x", Foreign: true})
	if len(hangups(early)) != 1 {
		t.Errorf("before the manifest is known: %v; want a hangup", early)
	}
	a.ready(artifact.NewBitset(2))
	if got := a.step(node.PeerConnected{Transfer: a.digest, Peer: "n2"}); len(hangups(got)) != 1 {
		t.Errorf("a node that no group names: %v; want a hangup", got)
	}
	hello := pick[node.Send](a.step(node.PeerConnected{Transfer: a.digest, Peer: "foreign:x", Foreign: true}))
	if len(hello) != 1 || hello[0].Message.(wire.SpanBitfield).Bits[0] != 0 {
		t.Errorf("the foreign peer is greeted with %v", hello)
	}
	asked := pick[node.Send](a.says("foreign:x", wire.SpanBitfield{Bits: []byte{0xc0}}))
	if len(asked) == 0 || asked[0].Peer != "foreign:x" {
		t.Errorf("it has all spans, and is asked for %v", asked)
	}
	a.step(node.PeerConnected{Transfer: a.digest, Peer: "foreign:seed", Foreign: true})
	a.says("foreign:seed", wire.SpanBitfield{Bits: []byte{0xc0}})
	told := pick[node.Send](a.step(node.ContentChanged{Transfer: a.digest, Have: artifact.All(2)}))
	if !slices.ContainsFunc(told, func(s node.Send) bool { _, have := s.Message.(wire.SpanHave); return have && s.Peer == "foreign:seed" }) {
		t.Errorf("a seed is not told that nothing is lacking: %v", told)
	}
	a.step(node.PeerDisconnected{Transfer: a.digest, Peer: "foreign:seed"})
	a.step(node.PeerDisconnected{Transfer: a.digest, Peer: "foreign:x"})
	if s, _ := a.Status(a.digest); s.Peers != 0 {
		t.Errorf("%d peers are left", s.Peers)
	}
}

// What an initial seeder gives a node spreads from there, and what it gives a
// foreign peer does not.
func TestInitialSeederSendsNoForeignPeerElsewhere(t *testing.T) {
	a := newAlone(true)
	a.ready(artifact.All(2))
	for _, peer := range []unit.NodeID{"foreign:x", "foreign:y"} {
		a.step(node.PeerConnected{Transfer: a.digest, Peer: peer, Foreign: true})
		a.says(peer, wire.SpanBitfield{Bits: []byte{0}})
	}
	for _, peer := range []unit.NodeID{"foreign:x", "foreign:y", "foreign:x"} {
		// A piece of a small file begins anywhere in its span.
		got := pick[node.SendBlock](a.says(peer, wire.SpanRequest{Span: 1, Begin: 5001, Length: 777}))
		want := node.SendBlock{Transfer: a.digest, Peer: peer, Block: swarm.Block{Span: 1, Begin: 5001, Length: 777}}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s is served %v", peer, got)
		}
	}
}
