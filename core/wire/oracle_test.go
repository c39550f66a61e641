package wire

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"
	"pgregory.net/rapid"
)

// standardPair is a message as we write it and as anacrolix/torrent does.
type standardPair struct {
	ours    Message
	theirs  pp.Message
	payload []byte
}

func anyStandard(t *rapid.T) standardPair {
	i, b := rapid.Uint32().Draw(t, "index"), rapid.Uint32().Draw(t, "begin")
	payload := rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "payload")
	l := uint32(len(payload))
	at := func(id pp.MessageType) pp.Message {
		return pp.Message{Type: id, Index: pp.Integer(i), Begin: pp.Integer(b), Length: pp.Integer(l)}
	}
	bits := rapid.SliceOfN(rapid.Bool(), 0, 64).Draw(t, "bits")
	for len(bits)%8 != 0 {
		bits = append(bits, false)
	}
	piece := pp.Message{Type: pp.Piece, Index: pp.Integer(i), Begin: pp.Integer(b), Piece: payload}
	hashes := Hashes{anyHashRange(t), anyHashes(t)}
	theirHashes := hashMessage(pp.Hashes, hashes.HashRange)
	theirHashes.Hashes = hashes.Hashes
	return rapid.SampledFrom([]standardPair{
		{ours: KeepAlive{}, theirs: pp.Message{Keepalive: true}},
		{ours: Choke{}, theirs: pp.Message{Type: pp.Choke}},
		{ours: Unchoke{}, theirs: pp.Message{Type: pp.Unchoke}},
		{ours: Interested{}, theirs: pp.Message{Type: pp.Interested}},
		{ours: NotInterested{}, theirs: pp.Message{Type: pp.NotInterested}},
		{ours: HaveAll{}, theirs: pp.Message{Type: pp.HaveAll}},
		{ours: HaveNone{}, theirs: pp.Message{Type: pp.HaveNone}},
		{ours: Have{i}, theirs: pp.Message{Type: pp.Have, Index: pp.Integer(i)}},
		{ours: Bitfield{pack(bits)}, theirs: pp.Message{Type: pp.Bitfield, Bitfield: bits}},
		{ours: Request{i, b, l}, theirs: at(pp.Request)},
		{ours: Cancel{i, b, l}, theirs: at(pp.Cancel)},
		{ours: RejectRequest{i, b, l}, theirs: at(pp.Reject)},
		{ours: PieceHeader{i, b, l}, theirs: piece, payload: payload},
		{ours: HashRequest{hashes.HashRange}, theirs: hashMessage(pp.HashRequest, hashes.HashRange)},
		{ours: HashReject{hashes.HashRange}, theirs: hashMessage(pp.HashReject, hashes.HashRange)},
		{ours: hashes, theirs: theirHashes},
	}).Draw(t, "message")
}

func hashMessage(id pp.MessageType, r HashRange) pp.Message {
	return pp.Message{Type: id, PiecesRoot: r.Root, BaseLayer: pp.Integer(r.Base), Index: pp.Integer(r.Index),
		Length: pp.Integer(r.Length), ProofLayers: pp.Integer(r.ProofLayers)}
}

func pack(bits []bool) []byte {
	b := make([]byte, len(bits)/8)
	for i, set := range bits {
		if set {
			b[i/8] |= 0x80 >> (i % 8)
		}
	}
	return b
}

func TestStandardMessagesAgreeWithAnacrolix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyStandard(t)
		ours := append(Append(nil, p.ours, 99), p.payload...)
		theirs := p.theirs.MustMarshalBinary()
		if !bytes.Equal(ours, theirs) {
			t.Fatalf("%#v: we write %x, they write %x", p.ours, ours, theirs)
		}
		got, err := decoderOf(theirs).Next()
		if err != nil || !same(got, p.ours) {
			t.Fatalf("we read theirs as %#v, %v", got, err)
		}
		var read pp.Message
		d := pp.Decoder{R: bufio.NewReader(bytes.NewReader(ours)), MaxLength: 1 << 20}
		if err := d.Decode(&read); err != nil || !bytes.Equal(read.MustMarshalBinary(), theirs) {
			t.Fatalf("they read ours as %+v, %v", read, err)
		}
	})
}

func TestExtendedHandshakeAgreesWithAnacrolix(t *testing.T) {
	ours := ExtHandshake{M: map[string]int{ExtensionName: 1, "ut_pex": 3}, Client: "rackswarm", Node: "n1", Version: 1}
	var read pp.Message
	d := pp.Decoder{R: bufio.NewReader(bytes.NewReader(Append(nil, ours, 0))), MaxLength: 1 << 20}
	if err := d.Decode(&read); err != nil || read.ExtendedID != pp.HandshakeExtendedID {
		t.Fatalf("they read %+v, %v", read, err)
	}
	var seen pp.ExtendedHandshakeMessage
	if err := bencode.Unmarshal(read.ExtendedPayload, &seen); err != nil || seen.M[ExtensionName] != 1 || seen.V != "rackswarm" {
		t.Fatalf("they understand %+v, %v", seen, err)
	}
	theirs := pp.Message{Type: pp.Extended, ExtendedPayload: bencode.MustMarshal(pp.ExtendedHandshakeMessage{
		M: map[pp.ExtensionName]pp.ExtensionNumber{"ut_pex": 4}, V: "anacrolix", Reqq: 250, MetadataSize: 5,
	})}
	m, err := decoderOf(theirs.MustMarshalBinary()).Next()
	h, ok := m.(ExtHandshake)
	if err != nil || !ok || h.M["ut_pex"] != 4 || h.Client != "anacrolix" || h.Queue != 250 || h.Version != 0 {
		t.Errorf("we understand %#v, %v", m, err)
	}
}
