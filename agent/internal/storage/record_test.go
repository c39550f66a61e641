package storage

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/artifact"
)

func testRecord() []byte {
	have := artifact.NewBitset(9)
	have.Set(0)
	have.Set(8)
	return encodeRecord(recordHead{digest: artifact.Digest{1}, boot: bootID{2}, top: 3, nonce: 4, spans: 9}, have)
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := recordHead{top: rapid.Uint64().Draw(t, "top"), nonce: rapid.Uint64().Draw(t, "nonce"), spans: rapid.IntRange(0, 200).Draw(t, "spans")}
		have := artifact.NewBitset(h.spans)
		for i := range h.spans {
			if rapid.Bool().Draw(t, "has") {
				have.Set(i)
			}
		}
		got, bits, err := decodeRecord(encodeRecord(h, have))
		if err != nil || got != h || !bytes.Equal(bits.Bytes(), have.Bytes()) {
			t.Fatalf("%+v %v %v", got, bits, err)
		}
	})
}

// Whatever single byte is damaged: the record is refused, or a slot that
// became zero is a span less.
func TestRecordNoticesDamage(t *testing.T) {
	good := testRecord()
	_, want, err := decodeRecord(good)
	must(t, err)
	for at := range good {
		for _, flip := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(good)
			b[at] ^= flip
			if _, have, err := decodeRecord(b); err == nil {
				t.Fatalf("byte %d flipped by %#x goes unnoticed: %v, was %v", at, flip, have.Bytes(), want.Bytes())
			}
		}
	}
	for n := range good {
		if _, _, err := decodeRecord(good[:n]); err == nil {
			t.Fatalf("the first %d bytes pass for a record", n)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(testRecord())
	f.Add(testRecord()[:recordHeader])
	f.Add([]byte(recordMagic))
	f.Add(make([]byte, 400))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, have, err := decodeRecord(b)
		if err == nil && !bytes.Equal(encodeRecord(h, have), b) {
			t.Fatal("what was decoded is not what was there")
		}
	})
}

func FuzzIndex(f *testing.F) {
	d := artifact.Digest{1}
	f.Add((&index{ID: "web", Path: "/srv/x", Digest: &d, Kind: "tree", Top: 3, Files: []stamp{{1, 2, 3, 4}, {}, {5, -6, -7, 1<<64 - 1}}}).encode())
	f.Add([]byte(`{"version":1,"id":"a","path":"/b","digest":"sha256:zz"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodeIndex(b)
		if err != nil {
			return
		}
		again, err := decodeIndex(x.encode())
		if err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(x)
		if got, _ := json.Marshal(again); !bytes.Equal(got, want) {
			t.Fatalf("%s was written, and read as %s", want, got)
		}
		x.info()
	})
}
