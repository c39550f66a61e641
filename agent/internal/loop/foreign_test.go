package loop

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/wire"
)

var here = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// Nodes of two fleets, which share neither authority nor store, are other clients
// to each other: in plain TCP, and verified all the same.
func TestNodesOfTwoFleetsMeetAsClients(t *testing.T) {
	ours, others := newNodes(t, 6), newNodes(t, 6)
	a := ours.startWith("a", rack, here, nil)
	a.join(ours.full(), true)
	b := others.startWith("b", rack, nil, []string{a.cfg.Machine.Addr})
	c := others.empty()
	b.join(c, false)
	ours.eventually("the other fleet has everything", func() bool { return c.is(ours.data) })
	ours.eventually("nobody is left who lacks something", func() bool {
		st, ok := a.Stats(ours.manifest.Digest())
		return ok && st.Visitors == 0 && st.Sent == int64(len(ours.data))
	})
	if st, _ := b.Stats(ours.manifest.Digest()); st.Received.ByLevel[0] != int64(len(ours.data)) || st.Received.Foreign != st.Received.ByLevel[0] {
		t.Errorf("received %+v, want all of it from beyond the location", st.Received)
	}
	if peers := b.Transfers()[0].Peers; len(peers) != 1 || !peers[0].Foreign || peers[0].Down != int64(len(ours.data)) {
		t.Errorf("peers: %+v, want one other client", peers)
	}
}

// knock connects a client that asks for an info-hash, and says no more.
func knock(t *testing.T, p *peer, infoHash [20]byte) {
	t.Helper()
	nc, err := net.Dial("tcp", p.cfg.Machine.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	h := wire.Handshake{InfoHash: infoHash, PeerID: [20]byte([]byte("-XX0001-abcdefghijkl"))}
	if _, err := nc.Write(h.Append(nil)); err != nil {
		t.Fatal(err)
	}
}

func TestClientsAreBounded(t *testing.T) {
	n := newNodes(t, 2)
	p := n.startWith("p", rack, here, nil)
	p.join(n.full(), false)
	for range maxForeignOfHost + 1 {
		knock(t, p, n.manifest.Digest().Short())
	}
	n.eventually("one is turned away", func() bool { return strings.Contains(p.log.String(), errTooManyForeign.Error()) })
	p.touch(func(tr *transfer) {
		if got := tr.foreigners(); got != maxForeignOfHost {
			t.Errorf("%d clients of one host take part", got)
		}
	})
	if st, _ := p.Stats(n.manifest.Digest()); st.Visitors != maxForeignOfHost {
		t.Errorf("%d clients lack something", st.Visitors)
	}
}

// Who asks for what is not offered yet waits, within a bound, and is let in when
// it is.
func TestClientWaitsForWhatIsOfferedSoon(t *testing.T) {
	n := newNodes(t, 2)
	p := n.startWith("p", rack, here, nil)
	knock(t, p, n.manifest.Digest().Short())
	n.eventually("the reconciler hears of it", func() bool { return p.asked.Load() == 1 })
	p.join(n.full(), false)
	n.eventually("it is let in", func() bool {
		st, _ := p.Stats(n.manifest.Digest())
		return st.Visitors == 1
	})
	for range maxVisitors + 1 {
		knock(t, p, [20]byte{1})
	}
	n.eventually("one too many is turned away", func() bool { return strings.Contains(p.log.String(), errTooManyForeign.Error()) })
}
