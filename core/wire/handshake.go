package wire

import (
	"fmt"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// HandshakeSize is the length of the handshake of BEP 3 in bytes.
const HandshakeSize = 68

// Handshake is what both sides send first.
type Handshake struct {
	Extensions pp.PeerExtensionBits // the reserved bytes
	InfoHash   [20]byte             // the truncated v2 info-hash (BEP 52)
	PeerID     [20]byte
}

// Extensions returns the reserved bytes of our own handshake: extension protocol
// (BEP 10), fast extension (BEP 6) and v2 (BEP 52).
func Extensions() pp.PeerExtensionBits {
	return pp.NewPeerExtensionBytes(pp.ExtensionBitLtep, pp.ExtensionBitFast, pp.ExtensionBitV2Upgrade)
}

// Append writes the HandshakeSize bytes of h to dst.
func (h Handshake) Append(dst []byte) []byte {
	dst = append(dst, pp.Protocol...)
	dst = append(dst, h.Extensions[:]...)
	dst = append(dst, h.InfoHash[:]...)
	return append(dst, h.PeerID[:]...)
}

// ParseHandshake reads a handshake. The error wraps ErrMalformed when the bytes
// are not those of the BitTorrent protocol.
func ParseHandshake(b [HandshakeSize]byte) (Handshake, error) {
	var h Handshake
	if head := string(b[:len(pp.Protocol)]); head != pp.Protocol {
		return h, fmt.Errorf("%w: handshake begins with %q, not with the BitTorrent protocol's name", ErrMalformed, head)
	}
	rest := b[len(pp.Protocol):]
	rest = rest[copy(h.Extensions[:], rest):]
	rest = rest[copy(h.InfoHash[:], rest):]
	copy(h.PeerID[:], rest)
	return h, nil
}
