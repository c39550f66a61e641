package node_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// joiner is a machine that needs the manifest and is connected to peer p.
func joiner(t *testing.T, size int64) (*node.Machine, artifact.Digest) {
	t.Helper()
	d := artifact.Digest{9}
	m := node.New(0, node.Config{Self: "a", Location: "r", Download: unit.Unlimited, Upload: unit.Unlimited})
	m.Step(0, node.Joined{Transfer: d, ManifestSize: size}, nil)
	m.Step(0, node.GroupChanged{Transfer: d, Group: overlay.Group{Location: "r", Members: []overlay.Member{
		{Node: "a", Location: "r"}, {Node: "p", Location: "r"},
	}}}, nil)
	out := m.Step(0, node.PeerConnected{Transfer: d, Peer: "p"}, nil)
	if send, ok := out[len(out)-1].(node.Send); !ok || send.Message != (wire.ManifestRequest{Length: wire.MaxManifestChunk}) {
		t.Fatalf("connected: %v", out)
	}
	return m, d
}

func hangups(out []node.Action) (all []node.Hangup) {
	for _, a := range out {
		if h, ok := a.(node.Hangup); ok {
			all = append(all, h)
		}
	}
	return all
}

// A manifest larger than the record in the store says may be the record's
// fault: the peer is left alone for a while, not banned.
func TestManifestLargerThanRecorded(t *testing.T) {
	m, d := joiner(t, 100)
	data := node.MessageReceived{Transfer: d, Peer: "p", Message: wire.ManifestData{Total: 101, Data: []byte("x")}}
	if h := hangups(m.Step(0, data, nil)); len(h) != 0 {
		t.Errorf("hung up: %v", h)
	}
}

// A peer that contradicts itself is banned.
func TestManifestThatContradictsItself(t *testing.T) {
	for name, data := range map[string]wire.ManifestData{
		"no bytes in all":   {Total: 0, Data: []byte("x")},
		"not what we asked": {Total: 50, Offset: 7, Data: []byte("x")},
		"more than in all":  {Total: 2, Data: []byte("xyz")},
		"an empty chunk":    {Total: 50},
	} {
		m, d := joiner(t, 100)
		out := m.Step(0, node.MessageReceived{Transfer: d, Peer: "p", Message: data}, nil)
		if h := hangups(out); len(h) != 1 || !h[0].Ban {
			t.Errorf("%s: %v", name, out)
		}
	}
}

// Chunks are asked for ahead, each once, and none beyond the end.
func TestManifestChunksAreAskedForAhead(t *testing.T) {
	const chunk = wire.MaxManifestChunk
	total := 9*chunk + 5
	m, d := joiner(t, int64(total))
	asked := chunk // by joiner
	for have := 0; have < total; {
		n := min(chunk, total-have)
		out := m.Step(0, node.MessageReceived{Transfer: d, Peer: "p", Message: wire.ManifestData{Total: uint32(total), Offset: uint32(have), Data: make([]byte, n)}}, nil)
		have += n
		for _, a := range out {
			send, ok := a.(node.Send)
			if !ok {
				continue
			}
			if want := (wire.ManifestRequest{Offset: uint32(asked), Length: chunk}); send.Message != want {
				t.Fatalf("with %d bytes here: %v, want %v", have, send.Message, want)
			}
			asked += chunk
		}
		if want := min(10*chunk, have/chunk*chunk+4*chunk); asked != want {
			t.Fatalf("with %d bytes here %d were asked for, want %d", have, asked, want)
		}
		fetched := slices.ContainsFunc(out, func(a node.Action) bool { _, ok := a.(node.ManifestFetched); return ok })
		if fetched != (have == total) {
			t.Fatalf("with %d bytes here: %v", have, out)
		}
	}
}

// A peer that refuses while it owes more chunks is left alone until these have
// come: they would look as if it contradicted itself.
func TestManifestRefusedHalfway(t *testing.T) {
	const chunk = wire.MaxManifestChunk
	m, d := joiner(t, 8*chunk)
	data := func(at int) node.MessageReceived {
		return node.MessageReceived{Transfer: d, Peer: "p", Message: wire.ManifestData{Total: 8 * chunk, Offset: uint32(at), Data: make([]byte, chunk)}}
	}
	m.Step(0, data(0), nil)
	m.Step(0, node.MessageReceived{Transfer: d, Peer: "p", Message: wire.ManifestReject{}}, nil)
	later := unit.Time(0).Add(time.Second)
	if out := m.Step(later, node.Wake{}, nil); len(hangups(out)) > 0 {
		t.Fatalf("hung up: %v", out)
	}
	if out := m.Step(later, data(2*chunk), nil); len(hangups(out)) > 0 {
		t.Errorf("a late answer: %v", out)
	}
}
