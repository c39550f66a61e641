package transport

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/wire"
)

// admitting is a transport that other clients on this machine may connect to.
func admitting(t *testing.T, secure bool) (tr *Transport, lines <-chan string) {
	t.Helper()
	log, lines := logLines()
	c := Config{Self: "n1", Listen: "127.0.0.1:0", Logger: log, Foreign: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	if secure {
		c.TLS = newAuthority(t).node(t, "n1")
	}
	tr, err := Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr, lines
}

// A client of plain BitTorrent is let in beside agents, with TLS and without.
func TestForeignClientIsAccepted(t *testing.T) {
	for _, secure := range []bool{false, true} {
		to, _ := admitting(t, secure)
		nc := rawDial(t, to)
		h := wire.Handshake{Extensions: wire.Extensions(), InfoHash: someDigest.Short(), PeerID: [20]byte([]byte("-LT2080-abcdefghijkl"))}
		if _, err := nc.Write(h.Append(nil)); err != nil {
			t.Fatal(err)
		}
		g, err := to.AcceptForeign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		if g.Handshake != h || !g.Inbound {
			t.Errorf("TLS %v: the guest is %+v", secure, g)
		}
		if _, err := g.Write(g.Answer); err != nil {
			t.Fatal(err)
		}
		answer, err := readHandshake(nc)
		if err != nil || answer.InfoHash != h.InfoHash || !strings.HasPrefix(string(answer.PeerID[:]), foreignPrefix) {
			t.Errorf("TLS %v: answered %+v, %v", secure, answer, err)
		}
	}
}

// Two agents of different fleets meet as foreign clients.
func TestAgentDialsAsForeignClient(t *testing.T) {
	to, _ := admitting(t, true)
	from, _ := admitting(t, false)
	go func() {
		if g, err := to.AcceptForeign(t.Context()); err == nil {
			g.Write(g.Answer)
		}
	}()
	g, err := from.DialForeign(t.Context(), to.Addr().String(), someDigest)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if g.Inbound || g.Answer != nil || !foreign(g.Handshake) {
		t.Errorf("the guest is %+v", g)
	}
}

// That other clients may connect lets no agent in without a certificate.
func TestPlainAgentIsRefusedWhereForeignClientsAreAdmitted(t *testing.T) {
	to, lines := admitting(t, true)
	nc := rawDial(t, to)
	if _, err := nc.Write(newTransport(Config{Self: "n2"}).greeting(someDigest, wire.DatagramOffer{})); err != nil {
		t.Fatal(err)
	}
	if line := awaitLine(t, lines, "connection refused"); !strings.Contains(line, "plain TCP") {
		t.Errorf("logged %q", line)
	}
}

func TestDialForeignFails(t *testing.T) {
	other := wire.Handshake{InfoHash: [20]byte{7}}.Append(nil)
	for name, c := range map[string]struct{ answer, says string }{
		"another torrent": {string(other), "answers about"},
		"nothing":         {"", "closed the connection"},
		"no BitTorrent":   {"HTTP/1.1 400 Bad Request\r\n" + strings.Repeat("x", 80), "not with the BitTorrent protocol's name"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			if nc, err := l.Accept(); err == nil {
				io.ReadFull(nc, make([]byte, wire.HandshakeSize))
				io.WriteString(nc, c.answer)
				nc.Close()
			}
		}()
		from, _ := admitting(t, false)
		if _, err := from.DialForeign(t.Context(), l.Addr().String(), someDigest); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
}
