package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// format says how the body of a kind of frame is read: what follows the ids,
// from min to max bytes, including the payload of a data frame.
type format struct {
	name     string
	min, max int
	read     func(d *Decoder, n int) (Message, error)
}

// standard, indexed by the id of BEP 3; an empty format is unknown.
var standard = [256]format{
	pp.Choke:         empty("choke", Choke{}),
	pp.Unchoke:       empty("unchoke", Unchoke{}),
	pp.Interested:    empty("interested", Interested{}),
	pp.NotInterested: empty("not interested", NotInterested{}),
	pp.Have:          fixed("have", 4, func(b fields) (Message, error) { return Have{b.u32(0)}, nil }),
	pp.Bitfield:      bits("bitfield", func(b []byte) Message { return Bitfield{b} }),
	pp.Request:       block("request", func(p, b, l uint32) Message { return Request{p, b, l} }),
	pp.Piece:         data("piece", func(p, b, l uint32) Message { return PieceHeader{p, b, l} }),
	pp.Cancel:        block("cancel", func(p, b, l uint32) Message { return Cancel{p, b, l} }),
	pp.HaveAll:       empty("have all", HaveAll{}),
	pp.HaveNone:      empty("have none", HaveNone{}),
	pp.Reject:        block("reject", func(p, b, l uint32) Message { return RejectRequest{p, b, l} }),
	pp.HashRequest:   hashRange("hash request", func(r HashRange) Message { return HashRequest{r} }),
	pp.Hashes:        {"hashes", hashRangeSize, hashRangeSize + MaxHashes*sha256.Size, readHashes},
	pp.HashReject:    hashRange("hash reject", func(r HashRange) Message { return HashReject{r} }),
}

// extHandshake is the format of extended id 0 (BEP 10).
var extHandshake = inPlace("extended handshake", 2, maxBody, func(b fields) (Message, error) { return parseExtHandshake(b) })

// extension, indexed by sub-type; an empty format is unknown.
var extension = [256]format{
	subSpanHave:        list("SpanHave", func(s []uint32) Message { return SpanHave{s} }),
	subSpanBitfield:    bits("SpanBitfield", func(b []byte) Message { return SpanBitfield{b} }),
	subSpanDontHave:    list("SpanDontHave", func(s []uint32) Message { return SpanDontHave{s} }),
	subStart:           list("Start", func(s []uint32) Message { return Start{s} }),
	subStop:            list("Stop", func(s []uint32) Message { return Stop{s} }),
	subSpanRequest:     block("SpanRequest", func(s, b, l uint32) Message { return SpanRequest{s, b, l} }),
	subSpanCancel:      block("SpanCancel", func(s, b, l uint32) Message { return SpanCancel{s, b, l} }),
	subSpanReject:      fixed("SpanReject", 17, parseSpanReject),
	subSpanData:        data("SpanData", func(s, b, l uint32) Message { return SpanData{s, b, l} }),
	subManifestRequest: fixed("ManifestRequest", 8, parseManifestRequest),
	subManifestData:    {"ManifestData", 8, 8 + MaxManifestChunk, readManifestData},
	subManifestReject:  empty("ManifestReject", ManifestReject{}),
	subLoad:            fixed("Load", 5, parseLoad),
	subSpanSuspect:     list("SpanSuspect", func(s []uint32) Message { return SpanSuspect{s} }),
}

// fields is a body in the read buffer, valid until the next read.
type fields []byte

// u32 is the i-th 32-bit field.
func (b fields) u32(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }

func empty(name string, m Message) format {
	return format{name, 0, 0, func(*Decoder, int) (Message, error) { return m, nil }}
}

func fixed(name string, size int, parse func(fields) (Message, error)) format {
	return inPlace(name, size, size, parse)
}

// inPlace is a format that is parsed within the read buffer; parse keeps
// nothing of it.
func inPlace(name string, lo, hi int, parse func(fields) (Message, error)) format {
	return format{name, lo, hi, func(d *Decoder, n int) (Message, error) {
		body, err := d.r.Peek(n)
		if err != nil {
			return nil, cut(err)
		}
		defer d.skip(n)
		return parse(body)
	}}
}

// block is the format of messages about a block: index, begin, length.
func block(name string, msg func(index, begin, length uint32) Message) format {
	return fixed(name, 12, func(b fields) (Message, error) {
		if err := checkLength(b.u32(2), MaxRequest); err != nil {
			return nil, err
		}
		return msg(b.u32(0), b.u32(1), b.u32(2)), nil
	})
}

// data is the format of a data frame: index and begin, then payload, which is
// left unread.
func data(name string, msg func(index, begin, length uint32) Message) format {
	return format{name, 9, 8 + MaxRequest, func(d *Decoder, n int) (Message, error) {
		head, err := d.r.Peek(8)
		if err != nil {
			return nil, cut(err)
		}
		m := msg(fields(head).u32(0), fields(head).u32(1), uint32(n-8))
		d.skip(8)
		return m, nil
	}}
}

func bits(name string, msg func([]byte) Message) format {
	return format{name, 0, MaxBitfield, func(d *Decoder, n int) (Message, error) {
		b, err := d.take(n)
		return msg(b), err
	}}
}

func list(name string, msg func([]uint32) Message) format {
	return inPlace(name, 0, maxList, func(b fields) (Message, error) {
		spans, err := parseSpans(b)
		return msg(spans), err
	})
}

// parseSpans reads what appendSpans writes, to the end of the body.
func parseSpans(b fields) ([]uint32, error) {
	count := 0
	for _, c := range b {
		count += int(^c >> 7) // the last byte of a number has no high bit
	}
	if count > MaxSpans {
		return nil, fmt.Errorf("%w: it lists %d spans, at most %d are allowed", ErrTooLarge, count, MaxSpans)
	}
	spans, last := make([]uint32, 0, count), int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 || d > math.MaxUint32 || d < -math.MaxUint32 {
			return nil, fmt.Errorf("%w: a list of spans with a broken number", ErrMalformed)
		}
		if last += d; last < 0 || last > math.MaxUint32 {
			return nil, fmt.Errorf("%w: span %d", ErrMalformed, last)
		}
		spans, b = append(spans, uint32(last)), b[n:]
	}
	return spans, nil
}

func parseSpanReject(b fields) (Message, error) {
	m := SpanReject{b.u32(0), b.u32(1), b.u32(2), Reason(b[12]), b[13:].u32(0)}
	return m, checkLength(m.Length, MaxRequest)
}

func parseManifestRequest(b fields) (Message, error) {
	return ManifestRequest{b.u32(0), b.u32(1)}, checkLength(b.u32(1), MaxManifestChunk)
}

func parseLoad(b fields) (Message, error) {
	if b[0] > 1 {
		return nil, fmt.Errorf("%w: flag of value %d", ErrMalformed, b[0])
	}
	return Load{b[0] == 1, b[1:].u32(0)}, nil
}

func readManifestData(d *Decoder, n int) (Message, error) {
	b, err := d.r.Peek(8)
	if err != nil {
		return nil, cut(err)
	}
	m := ManifestData{Total: fields(b).u32(0), Offset: fields(b).u32(1)}
	if end := uint64(m.Offset) + uint64(n-8); m.Total > MaxManifest || end > uint64(m.Total) {
		return nil, fmt.Errorf("%w: bytes %d to %d of a manifest of %d, which has at most %d",
			ErrMalformed, m.Offset, end, m.Total, MaxManifest)
	}
	d.skip(8)
	m.Data, err = d.take(n - 8)
	return m, err
}

// take copies n bytes out of the stream.
func (d *Decoder) take(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(d.r, b)
	return b, cut(err)
}

func checkLength(length uint32, limit int) error {
	switch {
	case length == 0:
		return fmt.Errorf("%w: a length of 0", ErrMalformed)
	case int64(length) > int64(limit):
		return fmt.Errorf("%w: a length of %d, at most %d are allowed", ErrTooLarge, length, limit)
	}
	return nil
}
