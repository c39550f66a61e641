package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Digest names the artifact that a connection is about.
type Digest = artifact.Digest

// outbound does the dialling side's handshakes on raw. The dialler says first
// which artifact it wants.
func (t *Transport) outbound(ctx context.Context, raw net.Conn, want unit.NodeID, d Digest) (*Conn, error) {
	release := watch(ctx, raw)
	c, err := t.dialled(ctx, raw, want, d)
	return c, release(err)
}

func (t *Transport) dialled(ctx context.Context, raw net.Conn, want unit.NodeID, d Digest) (*Conn, error) {
	raw = t.tune(raw)
	nc, proven, err := t.clientSide(ctx, raw, want)
	if err != nil {
		return nil, err
	}
	offer := t.offer(nc)
	if _, err := nc.Write(t.greeting(d, offer)); err != nil {
		return nil, fmt.Errorf("send handshake: %w", err)
	}
	h, err := readHandshake(nc)
	if err != nil {
		return nil, err
	}
	c := t.newConn(raw, nc)
	offered, err := c.readExtended(h, proven)
	if err != nil {
		return nil, err
	}
	if c.digest != d {
		return nil, fmt.Errorf("%w: asked for %s, the peer answers about %s", wire.ErrMalformed, d, c.digest)
	}
	if c.peer != want {
		return nil, wrongNode(want, c.peer)
	}
	return c, t.lay(c, offer, offered)
}

// inbound does the listening side's handshakes on raw: it hears which artifact
// the peer wants and answers in kind. Another client is not answered yet.
func (t *Transport) inbound(ctx context.Context, raw net.Conn) (arrival, error) {
	release := watch(ctx, raw)
	a, err := t.arrived(ctx, raw)
	return a, release(err)
}

func (t *Transport) arrived(ctx context.Context, raw net.Conn) (a arrival, err error) {
	raw = t.tune(raw)
	nc, proven, err := t.serverSide(ctx, raw)
	if err != nil {
		return a, err
	}
	h, err := readHandshake(nc)
	switch {
	case err != nil:
		return a, err
	case proven == "" && foreign(h):
		a.guest, err = t.guest(nc, h)
	case proven == "" && t.config.TLS != nil:
		err = t.refusePlain(raw)
	default:
		a.conn, err = t.answered(raw, nc, h, proven)
	}
	return a, err
}

func (t *Transport) answered(raw, nc net.Conn, h wire.Handshake, proven unit.NodeID) (*Conn, error) {
	c := t.newConn(raw, nc)
	c.inbound = true
	offered, err := c.readExtended(h, proven)
	if err != nil {
		return nil, err
	}
	offer := t.offer(nc)
	if _, err := nc.Write(t.greeting(c.digest, offer)); err != nil {
		return nil, fmt.Errorf("send handshake: %w", err)
	}
	return c, t.lay(c, offer, offered)
}

// watch makes reads and writes on raw fail when ctx ends. The returned function
// ends the watch; it turns a failure that the end of ctx caused into one that
// says so.
func watch(ctx context.Context, raw net.Conn) func(error) error {
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	return func(err error) error {
		if !stop() {
			return fmt.Errorf("handshake not finished: %w", context.Cause(ctx))
		}
		return err
	}
}

// greeting is what each side says first: both handshakes.
func (t *Transport) greeting(d Digest, offer wire.DatagramOffer) []byte {
	h := wire.Handshake{Extensions: wire.Extensions(), InfoHash: d.Short(), PeerID: t.config.PeerID}
	return wire.Append(h.Append(nil), wire.ExtHandshake{
		M:          map[string]int{wire.ExtensionName: int(wire.LocalExtension)},
		Client:     t.config.Client,
		Digest:     d,
		Node:       string(t.config.Self),
		Version:    wire.ProtocolVersion,
		MaxRequest: wire.MaxRequest,
		Datagrams:  offer,
	}, 0)
}

// readHandshake reads the handshake of BEP 3.
func readHandshake(nc net.Conn) (wire.Handshake, error) {
	var b [wire.HandshakeSize]byte
	if err := readFull(nc, b[:1]); err != nil {
		return wire.Handshake{}, err
	}
	if b[0] == recordAlert || b[0] == recordHandshake {
		return wire.Handshake{}, speaksTLS(nc.RemoteAddr())
	}
	if err := readFull(nc, b[1:]); err != nil {
		return wire.Handshake{}, err
	}
	return wire.ParseHandshake(b)
}

func readFull(nc net.Conn, b []byte) error {
	_, err := io.ReadFull(nc, b)
	if err == nil {
		return nil
	}
	if refused := new(net.OpError); errors.As(err, &refused) && refused.Op == "remote error" {
		return refusesUs(nc.RemoteAddr(), refused.Err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the peer closed the connection during the handshake: %w", err)
	}
	return fmt.Errorf("read handshake: %w", err)
}

// readExtended reads the extended handshake, which must come first, and checks
// it against what is known: the truncated info-hash and, if not empty, the node
// name that the certificate proves. It returns where the peer takes datagrams.
func (c *Conn) readExtended(first wire.Handshake, proven unit.NodeID) (offered wire.DatagramOffer, err error) {
	if !first.Extensions.SupportsExtended() {
		return offered, fmt.Errorf("%w: the peer does not speak the extension protocol (BEP 10)", wire.ErrMalformed)
	}
	m, err := c.dec.Next()
	if err != nil {
		return offered, fmt.Errorf("read extended handshake: %w", err)
	}
	h, ok := m.(wire.ExtHandshake)
	if !ok {
		return offered, fmt.Errorf("%w: %T before the extended handshake", wire.ErrMalformed, m)
	}
	ext := h.M[wire.ExtensionName]
	if ext == 0 || h.Version == 0 {
		return offered, fmt.Errorf("%w: the peer (%q) does not speak %s; only rackswarm agents may connect", wire.ErrMalformed, h.Client, wire.ExtensionName)
	}
	if Digest(h.Digest).Short() != first.InfoHash {
		return offered, fmt.Errorf("%w: digest %s does not fit the info-hash %x", wire.ErrMalformed, Digest(h.Digest), first.InfoHash)
	}
	name, err := unit.ParseNodeID(h.Node)
	if err != nil {
		return offered, fmt.Errorf("%w: extended handshake: %w", wire.ErrMalformed, err)
	}
	if proven != "" && name != proven {
		return offered, misnamed(proven, name)
	}
	c.peer, c.digest, c.ext = name, h.Digest, uint8(ext)
	c.maxRequest = min(h.MaxRequest, wire.MaxRequest)
	return h.Datagrams, nil
}
