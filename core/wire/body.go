package wire

import "encoding/binary"

func appendUint32s(dst []byte, vs ...uint32) []byte {
	for _, v := range vs {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}

// appendSpans writes each span as its distance from the one before, the first
// from 0, in encoding/binary's signed varint: most take a byte or two. Among many
// nodes these lists are most of what is not payload.
func appendSpans(dst []byte, spans []uint32) []byte {
	last := int64(0)
	for _, x := range spans {
		dst = binary.AppendVarint(dst, int64(x)-last)
		last = int64(x)
	}
	return dst
}

func (KeepAlive) appendBody(dst []byte) []byte      { return dst }
func (Choke) appendBody(dst []byte) []byte          { return dst }
func (Unchoke) appendBody(dst []byte) []byte        { return dst }
func (Interested) appendBody(dst []byte) []byte     { return dst }
func (NotInterested) appendBody(dst []byte) []byte  { return dst }
func (HaveAll) appendBody(dst []byte) []byte        { return dst }
func (HaveNone) appendBody(dst []byte) []byte       { return dst }
func (ManifestReject) appendBody(dst []byte) []byte { return dst }

func (m Have) appendBody(dst []byte) []byte         { return appendUint32s(dst, m.Piece) }
func (m Bitfield) appendBody(dst []byte) []byte     { return append(dst, m.Bits...) }
func (m SpanBitfield) appendBody(dst []byte) []byte { return append(dst, m.Bits...) }

func (m Request) appendBody(dst []byte) []byte {
	return appendUint32s(dst, m.Piece, m.Begin, m.Length)
}

func (m Cancel) appendBody(dst []byte) []byte {
	return appendUint32s(dst, m.Piece, m.Begin, m.Length)
}

func (m RejectRequest) appendBody(dst []byte) []byte {
	return appendUint32s(dst, m.Piece, m.Begin, m.Length)
}

func (m PieceHeader) appendBody(dst []byte) []byte { return appendUint32s(dst, m.Piece, m.Begin) }

func (m SpanHave) appendBody(dst []byte) []byte     { return appendSpans(dst, m.Spans) }
func (m SpanDontHave) appendBody(dst []byte) []byte { return appendSpans(dst, m.Spans) }
func (m Start) appendBody(dst []byte) []byte        { return appendSpans(dst, m.Spans) }
func (m Stop) appendBody(dst []byte) []byte         { return appendSpans(dst, m.Spans) }
func (m SpanSuspect) appendBody(dst []byte) []byte  { return appendSpans(dst, m.Spans) }

func (m SpanRequest) appendBody(dst []byte) []byte {
	return appendUint32s(dst, m.Span, m.Begin, m.Length)
}

func (m SpanCancel) appendBody(dst []byte) []byte {
	return appendUint32s(dst, m.Span, m.Begin, m.Length)
}

func (m SpanReject) appendBody(dst []byte) []byte {
	dst = appendUint32s(dst, m.Span, m.Begin, m.Length)
	return appendUint32s(append(dst, byte(m.Reason)), m.RetryAfterMs)
}

func (m SpanData) appendBody(dst []byte) []byte { return appendUint32s(dst, m.Span, m.Begin) }

func (m ManifestRequest) appendBody(dst []byte) []byte {
	return appendUint32s(dst, m.Offset, m.Length)
}

func (m ManifestData) appendBody(dst []byte) []byte {
	return append(appendUint32s(dst, m.Total, m.Offset), m.Data...)
}

func (m Load) appendBody(dst []byte) []byte {
	var complete byte
	if m.Complete {
		complete = 1
	}
	return appendUint32s(append(dst, complete), m.Queued)
}
