package wire

// Message is one frame of the peer protocol: one of the structs of this package
// whose comment names a frame, always as a value, never as a pointer. The
// interface is sealed.
type Message interface {
	// appendBody writes what follows the id and sub-type bytes, without the
	// payload of a data frame.
	appendBody(dst []byte) []byte
}

// KeepAlive is the empty frame of BEP 3, sent when there is nothing else to say.
type KeepAlive struct{}

// Choke says that requests are not answered now (BEP 3).
type Choke struct{}

// Unchoke says that requests are answered again (BEP 3).
type Unchoke struct{}

// Interested says that the receiver has something the sender wants (BEP 3).
type Interested struct{}

// NotInterested takes Interested back (BEP 3).
type NotInterested struct{}

// Have announces one verified piece (BEP 3).
type Have struct{ Piece uint32 }

// Bitfield announces all verified pieces, the high bit of the first byte being
// piece 0 (BEP 3). It has at most MaxBitfield bytes.
type Bitfield struct{ Bits []byte }

// Request asks for Length bytes, 1 to MaxRequest, at Begin of a piece (BEP 3).
type Request struct{ Piece, Begin, Length uint32 }

// PieceHeader is the head of a piece frame (BEP 3); Length bytes of payload
// follow it.
type PieceHeader struct{ Piece, Begin, Length uint32 }

// Cancel takes a Request back (BEP 3).
type Cancel struct{ Piece, Begin, Length uint32 }

// HaveAll is a Bitfield of ones (BEP 6).
type HaveAll struct{}

// HaveNone is a Bitfield of zeroes (BEP 6).
type HaveNone struct{}

// RejectRequest says that a Request will not be answered (BEP 6).
type RejectRequest struct{ Piece, Begin, Length uint32 }

// DatagramOffer says that the sender takes datagrams about this connection at a
// UDP port of its address, marked with an id that it drew at random.
type DatagramOffer struct {
	ID   uint64
	Port uint16 // 0 offers none
}

// ExtHandshake is the extended handshake of BEP 10. Digest, Node, Version and
// MaxRequest travel in its key "rs" and are zero when a foreign peer sends none.
type ExtHandshake struct {
	M          map[string]int // extension name → id to send it with, 1 to 255; 0 switches it off
	Client     string         // name and version of the program, for people
	Queue      uint32         // requests that the sender keeps waiting at most; 0 does not say
	Digest     [32]byte       // the full v2 info-hash
	Node       string         // name of the sending node
	Version    int            // of the rs_swarm extension, from 1
	MaxRequest uint32         // largest Length the sender answers, in bytes
	Datagrams  DatagramOffer  // where the sender takes datagrams, zero if it does not
}
