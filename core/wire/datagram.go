package wire

import (
	"encoding/binary"
	"fmt"
)

// MaxDatagram is the largest body of a datagram, in bytes: with what surrounds it,
// it fits the smallest MTU of IPv6.
const MaxDatagram = 1100

// Announcements returns how many frames that announce something about spans, Start,
// Stop, SpanHave and SpanDontHave, Append makes of m. Both sides of a connection
// count them: a datagram names its message by its number.
func Announcements(m Message) uint64 {
	var spans int
	switch m := m.(type) {
	case Start:
		spans = len(m.Spans)
	case Stop:
		spans = len(m.Spans)
	case SpanHave:
		spans = len(m.Spans)
	case SpanDontHave:
		spans = len(m.Spans)
	default:
		return 0
	}
	return uint64(max((spans+MaxSpans-1)/MaxSpans, 1))
}

// AppendDatagram writes the body of a datagram to dst: m, and which announcement of
// its connection it is, from 1. It returns false, and dst as it was, if m is
// neither a Start nor a Stop or does not fit.
func AppendDatagram(dst []byte, number uint64, m Message) ([]byte, bool) {
	switch m.(type) {
	case Start, Stop:
	default:
		return dst, false
	}
	if Announcements(m) > 1 {
		return dst, false
	}
	start := len(dst)
	dst = binary.AppendUvarint(append(dst, subTypeOf(m)), number)
	dst = m.appendBody(dst)
	if len(dst)-start > MaxDatagram {
		return dst[:start], false
	}
	return dst, true
}

// ParseDatagram reads what AppendDatagram writes. The error wraps ErrTooLarge or
// ErrMalformed. The message keeps nothing of b.
func ParseDatagram(b []byte) (number uint64, m Message, err error) {
	if len(b) > MaxDatagram {
		return 0, nil, fmt.Errorf("%w: datagram of %d bytes, at most %d are allowed", ErrTooLarge, len(b), MaxDatagram)
	}
	if len(b) == 0 {
		return 0, nil, fmt.Errorf("%w: empty datagram", ErrMalformed)
	}
	number, n := binary.Uvarint(b[1:])
	if n <= 0 || number == 0 {
		return 0, nil, fmt.Errorf("%w: datagram without a number", ErrMalformed)
	}
	spans, err := parseSpans(b[1+n:])
	switch {
	case err != nil:
		return 0, nil, err
	case b[0] == subStart:
		return number, Start{spans}, nil
	case b[0] == subStop:
		return number, Stop{spans}, nil
	}
	return 0, nil, fmt.Errorf("%w: datagram of sub-type %d", ErrMalformed, b[0])
}
