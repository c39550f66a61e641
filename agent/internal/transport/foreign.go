package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Peer ids begin like this (BEP 20): those of agents to one another, and those
// that an agent shows to other BitTorrent clients.
const (
	agentPrefix   = "-RS0001-"
	foreignPrefix = "-RF0001-"
)

// Guest is a connection to another BitTorrent client, in plain TCP, whose
// handshake of BEP 3 was read.
type Guest struct {
	net.Conn
	Handshake wire.Handshake
	Inbound   bool
	// Answer is the handshake that is still to be sent to an inbound guest.
	Answer []byte
}

// errObfuscated says that a client which may connect tries an encrypted header
// first. It comes again without.
var errObfuscated = errors.New("neither BitTorrent nor TLS; clients of foreign.accept must connect without encryption")

// AcceptForeign returns the next inbound connection of another BitTorrent client.
// The caller answers or closes it.
func (t *Transport) AcceptForeign(ctx context.Context) (*Guest, error) {
	select {
	case g := <-t.guests:
		return g, nil
	case <-t.ctx.Done():
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// DialForeign connects to another BitTorrent client about artifact d, in plain
// TCP. It fails if the client does not know the artifact, if ctx ends, or after 10
// seconds.
func (t *Transport) DialForeign(ctx context.Context, addr string, d Digest) (*Guest, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to BitTorrent client at %s: %w", addr, err)
	}
	release := watch(ctx, raw)
	g, err := t.greet(raw, d)
	if err = release(err); err != nil {
		raw.Close()
		return nil, fmt.Errorf("connect to BitTorrent client at %s: %w", addr, err)
	}
	return g, nil
}

func (t *Transport) greet(raw net.Conn, d Digest) (*Guest, error) {
	raw = t.tune(raw)
	if _, err := raw.Write(t.foreignHandshake(d.Short())); err != nil {
		return nil, fmt.Errorf("send handshake: %w", err)
	}
	h, err := readHandshake(raw)
	if err != nil {
		return nil, err
	}
	if h.InfoHash != d.Short() {
		return nil, fmt.Errorf("%w: asked for info-hash %x, the client answers about %x", wire.ErrMalformed, d.Short(), h.InfoHash)
	}
	return &Guest{Conn: raw, Handshake: h}, nil
}

// foreignHandshake is ours to another client.
func (t *Transport) foreignHandshake(infoHash [20]byte) []byte {
	h := wire.Handshake{Extensions: wire.Extensions(), InfoHash: infoHash, PeerID: t.config.PeerID}
	copy(h.PeerID[:], foreignPrefix)
	return h.Append(nil)
}

// foreign reports whether a handshake is not an agent's to an agent.
func foreign(h wire.Handshake) bool {
	return !strings.HasPrefix(string(h.PeerID[:]), agentPrefix[:3])
}

// admitsForeign reports whether other clients may connect from the address.
func (t *Transport) admitsForeign(from net.Addr) bool {
	ap, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return false
	}
	ip := ap.Addr().Unmap()
	return slices.ContainsFunc(t.config.Foreign, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// guest takes in another client, if it may connect.
func (t *Transport) guest(nc net.Conn, h wire.Handshake) (*Guest, error) {
	if !t.admitsForeign(nc.RemoteAddr()) {
		return nil, notAdmitted(nc.RemoteAddr(), h)
	}
	return &Guest{Conn: nc, Handshake: h, Inbound: true, Answer: t.foreignHandshake(h.InfoHash)}, nil
}

func notAdmitted(from net.Addr, h wire.Handshake) error {
	return &api.Error{Code: api.CodeForbidden, Subject: from.String(),
		Message: fmt.Sprintf("another BitTorrent client (peer id %q) wants info-hash %x; only rackswarm agents may connect", h.PeerID[:8], h.InfoHash),
		Fix:     "to let it in, add its address to foreign.accept"}
}
