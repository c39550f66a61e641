package wire

import (
	"bytes"

	"pgregory.net/rapid"
)

// anyMessage draws a message that a peer may send, of every kind.
func anyMessage() *rapid.Generator[Message] {
	u32 := rapid.Uint32()
	length := rapid.Uint32Range(1, MaxRequest)
	bits := rapid.SliceOfN(rapid.Byte(), 0, 300)
	spans := rapid.SliceOfN(u32, 0, 300)
	kinds := []func(t *rapid.T) Message{
		func(*rapid.T) Message { return KeepAlive{} },
		func(*rapid.T) Message { return Choke{} },
		func(*rapid.T) Message { return Unchoke{} },
		func(*rapid.T) Message { return Interested{} },
		func(*rapid.T) Message { return NotInterested{} },
		func(*rapid.T) Message { return HaveAll{} },
		func(*rapid.T) Message { return HaveNone{} },
		func(*rapid.T) Message { return ManifestReject{} },
		func(t *rapid.T) Message { return Have{u32.Draw(t, "piece")} },
		func(t *rapid.T) Message { return Bitfield{bits.Draw(t, "bits")} },
		func(t *rapid.T) Message { return SpanBitfield{bits.Draw(t, "bits")} },
		func(t *rapid.T) Message { return Request{u32.Draw(t, "i"), u32.Draw(t, "b"), length.Draw(t, "l")} },
		func(t *rapid.T) Message { return Cancel{u32.Draw(t, "i"), u32.Draw(t, "b"), length.Draw(t, "l")} },
		func(t *rapid.T) Message {
			return RejectRequest{u32.Draw(t, "i"), u32.Draw(t, "b"), length.Draw(t, "l")}
		},
		func(t *rapid.T) Message { return PieceHeader{u32.Draw(t, "i"), u32.Draw(t, "b"), length.Draw(t, "l")} },
		func(t *rapid.T) Message { return SpanRequest{u32.Draw(t, "i"), u32.Draw(t, "b"), length.Draw(t, "l")} },
		func(t *rapid.T) Message { return SpanCancel{u32.Draw(t, "i"), u32.Draw(t, "b"), length.Draw(t, "l")} },
		func(t *rapid.T) Message { return SpanData{u32.Draw(t, "i"), u32.Draw(t, "b"), length.Draw(t, "l")} },
		func(t *rapid.T) Message { return SpanHave{spans.Draw(t, "spans")} },
		func(t *rapid.T) Message { return SpanDontHave{spans.Draw(t, "spans")} },
		func(t *rapid.T) Message { return Start{spans.Draw(t, "spans")} },
		func(t *rapid.T) Message { return Stop{spans.Draw(t, "spans")} },
		func(t *rapid.T) Message { return SpanSuspect{spans.Draw(t, "spans")} },
		func(t *rapid.T) Message { return Load{rapid.Bool().Draw(t, "complete"), u32.Draw(t, "queued")} },
		func(t *rapid.T) Message {
			return SpanReject{u32.Draw(t, "i"), u32.Draw(t, "b"), length.Draw(t, "l"), Reason(rapid.Byte().Draw(t, "reason")), u32.Draw(t, "retry")}
		},
		func(t *rapid.T) Message {
			return ManifestRequest{u32.Draw(t, "o"), rapid.Uint32Range(1, MaxManifestChunk).Draw(t, "l")}
		},
		func(t *rapid.T) Message { return HashRequest{anyHashRange(t)} },
		func(t *rapid.T) Message { return HashReject{anyHashRange(t)} },
		func(t *rapid.T) Message { return Hashes{anyHashRange(t), anyHashes(t)} },
		anyManifestData,
		anyExtHandshake,
	}
	return rapid.Custom(func(t *rapid.T) Message {
		return kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")](t)
	})
}

func anyManifestData(t *rapid.T) Message {
	data := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
	total := rapid.Uint32Range(uint32(len(data)), MaxManifest).Draw(t, "total")
	return ManifestData{total, rapid.Uint32Range(0, total-uint32(len(data))).Draw(t, "offset"), data}
}

func anyHashRange(t *rapid.T) HashRange {
	u32 := rapid.Uint32()
	return HashRange{anyHash(t), u32.Draw(t, "base"), u32.Draw(t, "i"), u32.Draw(t, "l"), u32.Draw(t, "proof")}
}

func anyHash(t *rapid.T) [32]byte {
	return [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
}

func anyHashes(t *rapid.T) [][32]byte {
	hashes := make([][32]byte, rapid.IntRange(0, 5).Draw(t, "count"))
	for i := range hashes {
		hashes[i] = anyHash(t)
	}
	return hashes
}

func anyExtHandshake(t *rapid.T) Message {
	m := ExtHandshake{
		M:      rapid.MapOfN(rapid.StringN(0, 20, 20), rapid.IntRange(0, 255), 0, 10).Draw(t, "m"),
		Client: rapid.StringN(0, 40, 100).Draw(t, "client"),
		Queue:  rapid.Uint32().Draw(t, "reqq"),
	}
	if rapid.Bool().Draw(t, "ours") {
		copy(m.Digest[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		m.Node = rapid.StringN(0, 40, 128).Draw(t, "node")
		m.Version = rapid.IntRange(1, 1<<30).Draw(t, "version")
		m.MaxRequest = rapid.Uint32().Draw(t, "max_request")
		if rapid.Bool().Draw(t, "datagrams") {
			m.Datagrams = DatagramOffer{rapid.Uint64().Draw(t, "id"), rapid.Uint16Min(1).Draw(t, "port")}
		}
	}
	return m
}

// frame encodes m as its receiver expects it, with zeroes for payload.
func frame(m Message) []byte {
	return append(Append(nil, m, LocalExtension), make([]byte, Payload(m))...)
}

func decoderOf(b []byte) *Decoder { return NewDecoder(bytes.NewReader(b)) }
