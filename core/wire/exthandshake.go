package wire

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/anacrolix/torrent/bencode"
)

// ProtocolVersion is the version of the rs_swarm extension that this package
// speaks.
const ProtocolVersion = 1

// extDict is the bencoded form of an extended handshake. Keys of other
// programs are ignored.
type extDict struct {
	M    map[string]int `bencode:"m"`
	Reqq int64          `bencode:"reqq,omitempty"`
	RS   *rsDict        `bencode:"rs,omitempty"`
	V    string         `bencode:"v,omitempty"`
}

type rsDict struct {
	Datagrams  string `bencode:"datagrams,omitempty"` // id and port, big-endian
	Digest     string `bencode:"digest"`
	MaxRequest uint32 `bencode:"max_request"`
	Node       string `bencode:"node"`
	Version    int    `bencode:"version"`
}

func (m ExtHandshake) appendBody(dst []byte) []byte {
	d := extDict{M: m.M, Reqq: int64(m.Queue), V: m.Client}
	if d.M == nil {
		d.M = map[string]int{}
	}
	if m.Version != 0 {
		d.RS = &rsDict{m.Datagrams.text(), string(m.Digest[:]), m.MaxRequest, m.Node, m.Version}
	}
	return append(dst, bencode.MustMarshal(d)...)
}

func parseExtHandshake(body []byte) (Message, error) {
	var d extDict
	if err := bencode.Unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("%w: extended handshake of %d bytes: %w", ErrMalformed, len(body), err)
	}
	m := ExtHandshake{M: d.M, Client: d.V, Queue: uint32(min(max(d.Reqq, 0), math.MaxUint32))}
	for name, id := range d.M {
		if id < 0 || id > 255 {
			return nil, fmt.Errorf("%w: extended handshake gives %q the id %d", ErrMalformed, name, id)
		}
	}
	if d.RS == nil {
		return m, nil
	}
	if len(d.RS.Digest) != len(m.Digest) || d.RS.Version < 1 {
		return nil, fmt.Errorf("%w: extended handshake with a digest of %d bytes and version %d",
			ErrMalformed, len(d.RS.Digest), d.RS.Version)
	}
	copy(m.Digest[:], d.RS.Digest)
	m.Node, m.Version, m.MaxRequest = d.RS.Node, d.RS.Version, d.RS.MaxRequest
	var err error
	m.Datagrams, err = parseDatagramOffer(d.RS.Datagrams)
	return m, err
}

const datagramOfferSize = 10

// text is the offer as the handshake has it, "" for none.
func (o DatagramOffer) text() string {
	if o.Port == 0 {
		return ""
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, datagramOfferSize), o.ID)
	return string(binary.BigEndian.AppendUint16(b, o.Port))
}

func parseDatagramOffer(s string) (DatagramOffer, error) {
	if s == "" {
		return DatagramOffer{}, nil
	}
	if len(s) != datagramOfferSize {
		return DatagramOffer{}, fmt.Errorf("%w: extended handshake with a datagram offer of %d bytes", ErrMalformed, len(s))
	}
	b := []byte(s)
	o := DatagramOffer{ID: binary.BigEndian.Uint64(b), Port: binary.BigEndian.Uint16(b[8:])}
	if o.Port == 0 {
		return DatagramOffer{}, fmt.Errorf("%w: extended handshake with datagrams at port 0", ErrMalformed)
	}
	return o, nil
}
