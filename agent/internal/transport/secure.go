package transport

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/rackswarm/rackswarm/core/unit"
)

// clientSide puts TLS on a dialled connection. The name is what the peer's
// certificate proves, "" without TLS.
func (t *Transport) clientSide(ctx context.Context, raw net.Conn, want unit.NodeID) (net.Conn, unit.NodeID, error) {
	if t.config.TLS == nil {
		return raw, "", nil
	}
	nc, err := secure(ctx, raw, tls.Client, t.config.TLS.ClientTLS(string(want)))
	if err != nil {
		return nil, "", err
	}
	name, err := t.identity(nc)
	if err == nil && name != want {
		err = wrongNode(want, name)
	}
	return nc, name, err
}

// serverSide looks at the first byte of an inbound connection to tell TLS from
// plain BitTorrent, and puts TLS on it. Without TLS the name is "".
func (t *Transport) serverSide(ctx context.Context, raw net.Conn) (net.Conn, unit.NodeID, error) {
	first := &replayed{Conn: raw, replay: make([]byte, 1)}
	if err := readFull(raw, first.replay); err != nil {
		return nil, "", err
	}
	if err := t.checkFirst(raw, first.replay[0]); err != nil {
		return nil, "", err
	}
	if t.config.TLS == nil || first.replay[0] == plainHandshake {
		return first, "", nil
	}
	nc, err := secure(ctx, first, tls.Server, t.config.TLS.ServerTLS())
	if err != nil {
		return nil, "", err
	}
	name, err := t.identity(nc)
	return nc, name, err
}

func (t *Transport) identity(nc *secured) (unit.NodeID, error) {
	name, err := t.config.TLS.Identity(nc.ConnectionState())
	if err != nil {
		return "", notANode(nc.RemoteAddr(), err)
	}
	return unit.ParseNodeID(name)
}
