package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestWhatIsAppendedIsDecoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(anyMessage(), 1, 20).Draw(t, "messages")
		var stream []byte
		for _, m := range want {
			stream = append(stream, frame(m)...)
		}
		d, payload := decoderOf(stream), 0
		for i, m := range want {
			got, err := d.Next()
			if err != nil {
				t.Fatalf("message %d, %#v: %v", i, m, err)
			}
			if !same(got, m) {
				t.Fatalf("message %d: got %#v, want %#v", i, got, m)
			}
			if err := d.Discard(); err != nil {
				t.Fatal(err)
			}
			payload += Payload(m)
		}
		if got := int(d.Overhead()); got != len(stream)-payload {
			t.Fatalf("overhead of %d bytes in %d of which %d are payload", got, len(stream), payload)
		}
		if _, err := d.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("after the last message: %v, want io.EOF", err)
		}
	})
}

// same compares messages; an empty list equals none.
func same(a, b Message) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) &&
		bytes.Equal(Append(nil, a, LocalExtension), Append(nil, b, LocalExtension))
}

func TestEveryKindIsDecodedToItself(t *testing.T) {
	for _, m := range []Message{
		Have{7}, Request{1, 2, 3}, PieceHeader{1, 2, 3}, Cancel{1, 2, 3}, RejectRequest{1, 2, 3}, Bitfield{[]byte{0x80}},
		SpanHave{[]uint32{1, 2}}, SpanBitfield{[]byte{1}}, SpanDontHave{[]uint32{3}}, Start{[]uint32{4}}, Stop{[]uint32{5}},
		SpanRequest{1, 2, 3}, SpanCancel{1, 2, 3}, SpanReject{1, 2, 3, ReasonReadFailed, 250}, SpanData{1, 2, 3},
		ManifestRequest{1, 2}, ManifestData{10, 4, []byte("abc")}, ManifestReject{}, Load{true, 9}, KeepAlive{},
		Choke{}, Unchoke{}, Interested{}, NotInterested{}, HaveAll{}, HaveNone{},
		ExtHandshake{M: map[string]int{ExtensionName: 1}, Client: "x", Digest: [32]byte{1, 31: 2}, Node: "n1", Version: 1, MaxRequest: MaxRequest},
	} {
		got, err := decoderOf(frame(m)).Next()
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%#v came back as %#v, %v", m, got, err)
		}
	}
}

func TestLongListsGoOutAsSeveralFrames(t *testing.T) {
	spans := make([]uint32, 2*MaxSpans+5)
	for i := range spans {
		spans[i] = uint32(i)
	}
	for _, m := range []Message{SpanHave{spans}, SpanDontHave{spans}, Start{spans}, Stop{spans}} {
		d := decoderOf(frame(m))
		var got []uint32
		for {
			part, err := d.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || reflect.TypeOf(part) != reflect.TypeOf(m) {
				t.Fatalf("%T: got %T, %v", m, part, err)
			}
			got = append(got, reflect.ValueOf(part).Field(0).Interface().([]uint32)...)
		}
		if !slices.Equal(got, spans) {
			t.Errorf("%T: %d spans came back of %d", m, len(got), len(spans))
		}
	}
}

func TestOversizedMessageIsTheSendersMistake(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Append took a bitfield that no peer accepts")
		}
	}()
	Append(nil, Bitfield{make([]byte, maxFrame)}, 1)
}

func TestPayloadGoesStraightToItsReader(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789"), 10_000)
	stream := append(Append(nil, SpanData{1, 0, uint32(len(payload))}, LocalExtension), payload...)
	stream = append(stream, frame(Have{3})...)
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
	} {
		d := NewDecoder(r)
		m, err := d.Next()
		if err != nil || m != (SpanData{1, 0, uint32(len(payload))}) {
			t.Fatalf("%s: %#v, %v", name, m, err)
		}
		if _, err := d.Next(); err == nil {
			t.Fatalf("%s: Next passed over unread payload", name)
		}
		got := make([]byte, len(payload))
		if err := d.ReadPayload(got[:33_333]); err != nil {
			t.Fatal(err)
		}
		if err := d.ReadPayload(got[33_333:]); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, payload) {
			t.Fatalf("%s: payload differs", name)
		}
		if err := d.ReadPayload(make([]byte, 1)); err == nil {
			t.Fatalf("%s: read beyond the payload", name)
		}
		if m, err := d.Next(); err != nil || m != (Have{3}) {
			t.Fatalf("%s: after the payload %#v, %v", name, m, err)
		}
	}
}

func TestUnknownKindsAreSkipped(t *testing.T) {
	var stream []byte
	for _, unknown := range [][]byte{
		{9, 0x1a, 0xe1},                 // port (BEP 5)
		{13, 0, 0, 0, 1},                // suggest (BEP 6)
		{17, 0, 0, 0, 1},                // allowed fast (BEP 6)
		{200},                           // no such id
		{20, 77, 1, 2, 3},               // another extension
		{20, LocalExtension, 222, 1, 2}, // a sub-type of a later version
		append([]byte{20, LocalExtension, 223}, make([]byte, maxUnknown)...),
	} {
		stream = append(stream, rawFrame(unknown...)...)
	}
	d := decoderOf(append(stream, frame(Have{5})...))
	if m, err := d.Next(); err != nil || m != (Have{5}) {
		t.Fatalf("got %#v, %v; want Have 5", m, err)
	}
}

// rawFrame puts the length before the bytes of a frame.
func rawFrame(b ...byte) []byte {
	return append(appendUint32s(nil, uint32(len(b))), b...)
}

func TestStreamThatEndsWithinAFrame(t *testing.T) {
	for _, m := range []Message{
		Request{1, 2, 3}, Bitfield{make([]byte, 10)}, Start{[]uint32{1, 2}}, ManifestData{10, 4, []byte("abc")},
		SpanData{1, 2, 50}, ExtHandshake{M: map[string]int{"a": 1}}, Load{},
	} {
		whole := frame(m)
		for cut := 1; cut < len(whole); cut++ {
			d := decoderOf(whole[:cut])
			_, err := d.Next()
			if err == nil {
				err = d.Discard()
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%T cut to %d of %d bytes: %v", m, cut, len(whole), err)
			}
		}
	}
	d := decoderOf(rawFrame(200, 1, 2, 3)[:6])
	if _, err := d.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("unknown message that is cut: %v", err)
	}
}

func TestReadErrorsAreHandedOn(t *testing.T) {
	broken := errors.New("broken")
	d := NewDecoder(io.MultiReader(strings.NewReader("\x00\x00"), iotest.ErrReader(broken)))
	if _, err := d.Next(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
