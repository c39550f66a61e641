package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// First bytes of what a peer sends.
const (
	plainHandshake  = 0x13 // length of the protocol's name (BEP 3)
	recordHandshake = 0x16 // TLS record types (RFC 8446, 5.1)
	recordAlert     = 0x15
)

const sameTLS = "set tls.enabled to the same value on every node"

// checkFirst tells by a peer's first byte whether it agrees with us about TLS.
// A peer that does not is answered in our manner, so that it can tell, too;
// whether that arrives does not matter to us.
func (t *Transport) checkFirst(raw net.Conn, first byte) error {
	switch {
	case t.config.TLS != nil && first == plainHandshake && !t.admitsForeign(raw.RemoteAddr()):
		return t.refusePlain(raw)
	case t.config.TLS == nil && first == recordHandshake:
		_, _ = raw.Write(append([]byte{plainHandshake}, "BitTorrent protocol"...))
		return speaksTLS(raw.RemoteAddr())
	case first != plainHandshake && first != recordHandshake && t.admitsForeign(raw.RemoteAddr()):
		return errObfuscated
	case first != plainHandshake && first != recordHandshake:
		return &api.Error{Code: api.CodeInvalid, Subject: raw.RemoteAddr().String(),
			Message: fmt.Sprintf("the connection begins with byte 0x%02x, which is neither BitTorrent nor TLS", first),
			Fix:     "only rackswarm agents connect to this port"}
	}
	return nil
}

// refusePlain answers a node that speaks plain TCP, unlike us.
func (t *Transport) refusePlain(raw net.Conn) error {
	// Fatal alert protocol_version: our record type is what the peer sees.
	_, _ = raw.Write([]byte{recordAlert, 3, 3, 0, 2, 2, 70})
	return speaksPlain(raw.RemoteAddr())
}

func speaksTLS(peer net.Addr) error {
	return &api.Error{Code: api.CodeInvalid, Subject: peer.String(),
		Message: "the peer speaks TLS, this node is configured for plain TCP", Fix: sameTLS}
}

func speaksPlain(peer net.Addr) error {
	return &api.Error{Code: api.CodeInvalid, Subject: peer.String(),
		Message: "the peer speaks plain TCP, this node is configured for TLS", Fix: sameTLS}
}

func wrongNode(want, got unit.NodeID) error {
	return &api.Error{Code: api.CodeForbidden, Subject: string(want),
		Message: fmt.Sprintf("node %s answers at the address of node %s", got, want),
		Fix:     fmt.Sprintf("check data.advertise and tls.cert of %s", want)}
}

func misnamed(proven, said unit.NodeID) error {
	return &api.Error{Code: api.CodeForbidden, Subject: string(said),
		Message: fmt.Sprintf("the peer calls itself %s, its certificate is for node %s", said, proven),
		Fix:     "set node.name to the name that the certificate was issued for"}
}

func notANode(peer net.Addr, err error) error {
	return &api.Error{Code: api.CodeForbidden, Subject: peer.String(),
		Message: "the peer's certificate is not a node's: " + err.Error(),
		Fix:     "issue one with: rackswarm pki issue --role node"}
}

func refusesUs(peer net.Addr, err error) error {
	return &api.Error{Code: api.CodeForbidden, Subject: peer.String(),
		Message: "the peer refuses this node's certificate: " + err.Error(),
		Fix:     "check that tls.cert comes from the fleet's authority, is a node's and has not expired"}
}

func listenError(addr string, err error) error {
	return &api.Error{Code: api.CodeInvalid, Subject: "data.listen",
		Message: fmt.Sprintf("cannot listen on %q: %v", addr, err),
		Fix:     "give an address of this machine and a free port, such as 0.0.0.0:7420"}
}

// tlsError says what a failed TLS handshake means.
func tlsError(peer net.Addr, err error) error {
	var header tls.RecordHeaderError
	if errors.As(err, &header) && header.RecordHeader[0] == plainHandshake {
		return speaksPlain(peer)
	}
	if refused := new(net.OpError); errors.As(err, &refused) && refused.Op == "remote error" {
		return refusesUs(peer, refused.Err)
	}
	return fmt.Errorf("TLS handshake: %w", err)
}

// panicked logs a recovered panic with its stack and returns it as an error.
func panicked(log *slog.Logger, where string, p any) error {
	err := fmt.Errorf("panic in %s: %v", where, p)
	log.Error("panic recovered; only this connection ends", "error", err, "stack", string(debug.Stack()))
	return err
}
