package wire

import (
	"encoding/binary"
	"fmt"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// ExtensionName is what the extension is called in the extended handshake.
const ExtensionName = "rs_swarm"

// LocalExtension is the extended id that this side advertises for ExtensionName
// and expects on what it receives.
const LocalExtension uint8 = 1

// Append writes the frame of m to dst and returns the extended slice. ext is
// the id under which the receiver advertised ExtensionName; messages of the
// standard do not use it. For a data frame it writes the head only, with a frame
// length that counts the payload, which the caller sends right behind.
//
// Append panics if a size bound of the message's comment is exceeded: such a
// message is a mistake of the caller that no peer would accept.
func Append(dst []byte, m Message, ext uint8) []byte {
	switch m := m.(type) {
	case KeepAlive:
		return append(dst, 0, 0, 0, 0)
	case SpanHave:
		return appendLists(dst, m.Spans, ext, func(s []uint32) Message { return SpanHave{s} })
	case SpanDontHave:
		return appendLists(dst, m.Spans, ext, func(s []uint32) Message { return SpanDontHave{s} })
	case Start:
		return appendLists(dst, m.Spans, ext, func(s []uint32) Message { return Start{s} })
	case Stop:
		return appendLists(dst, m.Spans, ext, func(s []uint32) Message { return Stop{s} })
	case SpanSuspect:
		return appendLists(dst, m.Spans, ext, func(s []uint32) Message { return SpanSuspect{s} })
	}
	return appendFrame(dst, m, ext)
}

// appendLists writes one frame for each MaxSpans spans, and one for none.
func appendLists(dst []byte, spans []uint32, ext uint8, msg func([]uint32) Message) []byte {
	for len(spans) > MaxSpans {
		dst = appendFrame(dst, msg(spans[:MaxSpans]), ext)
		spans = spans[MaxSpans:]
	}
	return appendFrame(dst, msg(spans), ext)
}

func appendFrame(dst []byte, m Message, ext uint8) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendIDs(dst, m, ext)
	dst = m.appendBody(dst)
	length := len(dst) - start - 4 + Payload(m)
	if length > maxFrame {
		panic(fmt.Sprintf("wire: %T of %d bytes; at most %d fit a frame", m, length, maxFrame))
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(length))
	return dst
}

// Payload returns how many bytes of payload follow the frame of m: its Length
// for a data frame, otherwise 0.
func Payload(m Message) int {
	switch m := m.(type) {
	case PieceHeader:
		return int(m.Length)
	case SpanData:
		return int(m.Length)
	}
	return 0
}

// appendIDs writes the id byte of BEP 3 and, for extended messages, the
// extended id of BEP 10 and the sub-type of rs_swarm.
func appendIDs(dst []byte, m Message, ext uint8) []byte {
	if id, ok := standardID(m); ok {
		return append(dst, byte(id))
	}
	if _, ok := m.(ExtHandshake); ok {
		return append(dst, byte(pp.Extended), pp.HandshakeExtendedID)
	}
	return append(dst, byte(pp.Extended), ext, subTypeOf(m))
}

func standardID(m Message) (pp.MessageType, bool) {
	switch m.(type) {
	case Choke:
		return pp.Choke, true
	case Unchoke:
		return pp.Unchoke, true
	case Interested:
		return pp.Interested, true
	case NotInterested:
		return pp.NotInterested, true
	case Have:
		return pp.Have, true
	case Bitfield:
		return pp.Bitfield, true
	case Request:
		return pp.Request, true
	case PieceHeader:
		return pp.Piece, true
	case Cancel:
		return pp.Cancel, true
	case HaveAll:
		return pp.HaveAll, true
	case HaveNone:
		return pp.HaveNone, true
	case RejectRequest:
		return pp.Reject, true
	case HashRequest:
		return pp.HashRequest, true
	case Hashes:
		return pp.Hashes, true
	case HashReject:
		return pp.HashReject, true
	}
	return 0, false
}

// Sub-types of rs_swarm. Numbers are never reused.
const (
	subSpanHave = 1 + iota
	subSpanBitfield
	subSpanDontHave
	subStart
	subStop
	subSpanRequest
	subSpanCancel
	subSpanReject
	subSpanData
	subManifestRequest
	subManifestData
	subManifestReject
	subLoad
	subSpanSuspect
)

func subTypeOf(m Message) byte {
	switch m.(type) {
	case SpanHave:
		return subSpanHave
	case SpanBitfield:
		return subSpanBitfield
	case SpanDontHave:
		return subSpanDontHave
	case Start:
		return subStart
	case Stop:
		return subStop
	case SpanRequest:
		return subSpanRequest
	case SpanCancel:
		return subSpanCancel
	case SpanReject:
		return subSpanReject
	case SpanData:
		return subSpanData
	case ManifestRequest:
		return subManifestRequest
	case ManifestData:
		return subManifestData
	case ManifestReject:
		return subManifestReject
	case Load:
		return subLoad
	case SpanSuspect:
		return subSpanSuspect
	}
	panic(fmt.Sprintf("wire: %T is not a message", m))
}
