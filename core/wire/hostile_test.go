package wire

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
)

func ours(sub byte, body ...byte) []byte {
	return rawFrame(append([]byte{20, LocalExtension, sub}, body...)...)
}

func handshakeOf(bencoded string) []byte {
	return rawFrame(append([]byte{20, 0}, bencoded...)...)
}

func TestBrokenMessagesAreRefused(t *testing.T) {
	zero12 := make([]byte, 12)
	for _, c := range []struct {
		name string
		in   []byte
		want error
		says string
	}{
		{"frame beyond the bound", []byte{0xff, 0xff, 0xff, 0xff}, ErrTooLarge, "4294967295"},
		{"choke with a body", rawFrame(0, 1), ErrMalformed, "choke"},
		{"have too short", rawFrame(4, 0, 0, 1), ErrMalformed, "3 bytes"},
		{"have with spare bytes", rawFrame(4, 0, 0, 0, 1, 9), ErrMalformed, "5 bytes"},
		{"request of nothing", rawFrame(append([]byte{6}, zero12...)...), ErrMalformed, "length of 0"},
		{"request too large", rawFrame(6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 1), ErrTooLarge, "1048577"},
		{"piece without payload", rawFrame(7, 0, 0, 0, 1, 0, 0, 0, 0), ErrMalformed, "piece"},
		{"piece with too much payload", append(appendUint32s(nil, 9+MaxRequest+1), append([]byte{7}, make([]byte, 9)...)...), ErrTooLarge, "piece"},
		{"bitfield too large", append(appendUint32s(nil, 1+MaxBitfield+1), 5), ErrTooLarge, "bitfield"},
		{"unknown too large", append(appendUint32s(nil, 1+maxUnknown+1), 99), ErrTooLarge, "unknown"},
		{"extended without id", rawFrame(20), ErrMalformed, "extended id"},
		{"ours without sub-type", rawFrame(20, LocalExtension), ErrMalformed, "sub-type"},
		{"span below 0", ours(subStart, 4, 5), ErrMalformed, "span -1"},
		{"span beyond 32 bits", ours(subStart, 0xfe, 0xff, 0xff, 0xff, 0x1f, 2), ErrMalformed, "span 4294967296"},
		{"list of half a number", ours(subStop, 2, 0x80), ErrMalformed, "Stop"},
		{"number of eleven bytes", ours(subStop, bytes.Repeat([]byte{0xff}, 11)...), ErrMalformed, "Stop"},
		{"too many spans", ours(subSpanHave, make([]byte, MaxSpans+1)...), ErrTooLarge, "3073"},
		{"list too long", ours(subSpanHave, make([]byte, 5*MaxSpans+1)...), ErrTooLarge, "SpanHave"},
		{"span request of nothing", ours(subSpanRequest, zero12...), ErrMalformed, "SpanRequest"},
		{"reject with spare bytes", ours(subSpanReject, make([]byte, 18)...), ErrMalformed, "SpanReject"},
		{"load with an odd flag", ours(subLoad, 2, 0, 0, 0, 0), ErrMalformed, "flag"},
		{"manifest request too large", ours(subManifestRequest, 0, 0, 0, 0, 0, 4, 0, 1), ErrTooLarge, "262145"},
		{"manifest chunk too large", ours(subManifestData, make([]byte, 8+MaxManifestChunk+1)...), ErrTooLarge, "ManifestData"},
		{"manifest data beyond its end", ours(subManifestData, 0, 0, 0, 5, 0, 0, 0, 4, 1, 2), ErrMalformed, "manifest of 5"},
		{"manifest too large", ours(subManifestData, 8, 0, 0, 1, 0, 0, 0, 4, 1, 2), ErrMalformed, "manifest"},
		{"handshake that is no bencode", handshakeOf("hello"), ErrMalformed, "extended handshake"},
		{"handshake with trailing bytes", handshakeOf("d1:mdee1"), ErrMalformed, "extended handshake"},
		{"handshake with id 256", handshakeOf("d1:md1:xi256eee"), ErrMalformed, "256"},
		{"handshake with negative id", handshakeOf("d1:md1:xi-1eee"), ErrMalformed, "-1"},
		{"handshake with a short digest", handshakeOf("d1:mde2:rsd6:digest3:abc7:versioni1eee"), ErrMalformed, "digest of 3"},
		{"handshake with deep nesting", handshakeOf("d1:x" + strings.Repeat("l", 10_000)), ErrMalformed, "extended handshake"},
		{"handshake with a false length", handshakeOf("d99999999:x"), ErrMalformed, "extended handshake"},
		{"handshake too large", handshakeOf(strings.Repeat("d", maxBody+1)), ErrTooLarge, "extended handshake"},
	} {
		_, err := decoderOf(c.in).Next()
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %v that says %q", c.name, err, c.want, c.says)
		}
	}
}

// A head that announces much and delivers nothing must not make us allocate
// more than the largest message that is legal.
func TestAnnouncedSizesAllocateLittle(t *testing.T) {
	for _, head := range [][]byte{
		append(appendUint32s(nil, 1+MaxBitfield), 5),
		append(appendUint32s(nil, 3+MaxBitfield), 20, LocalExtension, subSpanBitfield),
		append(appendUint32s(nil, 3+8+MaxManifestChunk), 20, LocalExtension, subManifestData, 8, 0, 0, 0, 0, 0, 0, 0),
		append(appendUint32s(nil, 3+5*MaxSpans), 20, LocalExtension, subStart, 0x10, 0),
		append(appendUint32s(nil, 9+MaxRequest), append([]byte{7}, make([]byte, 8)...)...),
		handshakeOf("d1:x134217720:a"),
		{0xff, 0xff, 0xff, 0xff, 5},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = decoderOf(head).Next()
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > MaxBitfield+256<<10 {
			t.Errorf("% x allocated %d bytes", head[:min(len(head), 12)], got)
		}
	}
}

// FuzzDecoder feeds arbitrary streams: no panic, and what is understood can be
// said again.
func FuzzDecoder(f *testing.F) {
	for _, m := range []Message{
		KeepAlive{}, Have{7}, Bitfield{[]byte{0x80}}, PieceHeader{1, 2, 3}, Start{[]uint32{4}}, SpanSuspect{[]uint32{4, 5}}, SpanReject{1, 2, 3, ReasonBusy, 4},
		SpanData{1, 2, 3}, ManifestData{10, 4, []byte("abc")}, Load{true, 9}, ManifestRequest{1, 2},
		HashRequest{HashRange{Base: 4, Length: 2}}, HashReject{}, Hashes{HashRange{Length: 1}, [][32]byte{{7}}},
		ExtHandshake{M: map[string]int{ExtensionName: 1}, Queue: 250, Digest: [32]byte{1}, Node: "n1", Version: 1, MaxRequest: 9},
	} {
		f.Add(append(frame(m), frame(Request{1, 2, 3})...))
	}
	f.Add(handshakeOf("d1:mde2:rsd6:digest3:abc7:versioni1eee"))
	f.Add(ours(250, 1, 2, 3))
	f.Fuzz(func(t *testing.T, stream []byte) {
		d := decoderOf(stream)
		for {
			m, err := d.Next()
			if err != nil {
				return
			}
			checkAgain(t, m)
			if d.Discard() != nil {
				return
			}
		}
	})
}

func checkAgain(t *testing.T, m Message) {
	encoded := frame(m)
	again, err := decoderOf(encoded).Next()
	if err != nil {
		t.Fatalf("%#v cannot be decoded again: %v", m, err)
	}
	if !bytes.Equal(frame(again), encoded) {
		t.Fatalf("%#v became %#v", m, again)
	}
}
