package wire

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestDatagramComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64Min(1).Draw(t, "number")
		spans := rapid.SliceOfN(rapid.Uint32(), 0, 300).Draw(t, "spans")
		m := rapid.SampledFrom([]Message{Start{spans}, Stop{spans}}).Draw(t, "message")
		b, fits := AppendDatagram([]byte("before"), number, m)
		if !fits {
			if string(b) != "before" || len(m.appendBody(nil)) < MaxDatagram-11 {
				t.Fatalf("%d spans do not fit, and %d bytes are left", len(spans), len(b))
			}
			return
		}
		gotNumber, got, err := ParseDatagram(b[len("before"):])
		if err != nil || gotNumber != number || !same(got, m) {
			t.Fatalf("%v, number %d, came back as %v, %d, %v", m, number, got, gotNumber, err)
		}
	})
}

func TestWhatDoesNotGoByDatagram(t *testing.T) {
	many := make([]uint32, MaxSpans+1)
	for _, m := range []Message{SpanHave{[]uint32{1}}, KeepAlive{}, Start{many}, Stop{many[:MaxSpans]}} {
		if b, fits := AppendDatagram(nil, 1, m); fits || len(b) > 0 {
			t.Errorf("%T became a datagram of %d bytes", m, len(b))
		}
	}
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrMalformed},
		{"no number", []byte{subStart}, ErrMalformed},
		{"number 0", []byte{subStart, 0, 2}, ErrMalformed},
		{"a number that does not end", []byte{subStart, 0x80}, ErrMalformed},
		{"another message", []byte{subSpanHave, 1, 2}, ErrMalformed},
		{"a broken span", []byte{subStop, 1, 0x80}, ErrMalformed},
		{"too long", make([]byte, MaxDatagram+1), ErrTooLarge},
	} {
		if _, m, err := ParseDatagram(c.b); m != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, m, err, c.want)
		}
	}
}

// A datagram's number counts frames, so both sides have to agree on how many there
// are.
func TestAnnouncementsAreFrames(t *testing.T) {
	for _, n := range []int{0, 1, MaxSpans, MaxSpans + 1, 2*MaxSpans + 1} {
		spans := make([]uint32, n)
		for _, m := range []Message{Start{spans}, Stop{spans}, SpanHave{spans}, SpanDontHave{spans}} {
			d, frames := decoderOf(frame(m)), uint64(0)
			for {
				part, err := d.Next()
				if err != nil {
					break
				}
				frames += Announcements(part)
			}
			if got := Announcements(m); got != frames {
				t.Errorf("%T of %d spans counts as %d announcements and is %d frames", m, n, got, frames)
			}
		}
	}
	for _, m := range []Message{KeepAlive{}, SpanSuspect{[]uint32{1}}, SpanBitfield{[]byte{1}}} {
		if n := Announcements(m); n != 0 {
			t.Errorf("%T counts as %d announcements", m, n)
		}
	}
}

func TestDatagramOffer(t *testing.T) {
	offer := DatagramOffer{ID: 1<<63 + 5, Port: 7420}
	if got, err := parseDatagramOffer(offer.text()); err != nil || got != offer {
		t.Errorf("%v came back as %v, %v", offer, got, err)
	}
	for _, s := range []string{"short", "more than 10 bytes", string(make([]byte, datagramOfferSize))} {
		if _, err := parseDatagramOffer(s); !errors.Is(err, ErrMalformed) {
			t.Errorf("offer %q: %v", s, err)
		}
	}
}

func FuzzDatagram(f *testing.F) {
	for _, m := range []Message{Start{[]uint32{1, 2, 300}}, Stop{[]uint32{math.MaxUint32}}, Start{}} {
		b, _ := AppendDatagram(nil, 1<<40, m)
		f.Add(b)
	}
	f.Add([]byte{subStart, 1, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		number, m, err := ParseDatagram(b)
		if err != nil {
			if m != nil || !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("%v, %v", m, err)
			}
			return
		}
		// Numbers have longer forms than the one that is written.
		again, fits := AppendDatagram(nil, number, m)
		if !fits || len(again) > len(b) {
			t.Fatalf("%x became %x", b, again)
		}
		n, same, err := ParseDatagram(again)
		if err != nil || n != number || !reflect.DeepEqual(same, m) {
			t.Fatalf("%v, number %d, became %v, %d, %v", m, number, same, n, err)
		}
	})
}
