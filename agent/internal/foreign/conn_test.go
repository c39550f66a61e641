package foreign

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/wire"
)

// tell makes a story: a bubble in which a client meets a Conn.
func tell(t *testing.T, c content, h wire.Handshake, play func(t *testing.T, s *story)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := meet(t, c, h)
		play(t, s)
		s.Close(nil)
		s.far.Close()
		synctest.Wait()
	})
}

// basic is a client without extensions.
var basic = wire.Handshake{PeerID: hello.PeerID}

func TestGreeting(t *testing.T) {
	c := newContent(16<<10, 40_000, 100)
	some := artifact.NewBitset(c.NumSpans())
	some.Set(1)
	for _, x := range []struct {
		name string
		h    wire.Handshake
		have wire.SpanBitfield
		want []any
	}{
		{"all", hello, c.all(), []any{ext, wire.HaveAll{}}},
		{"nothing", hello, c.none(), []any{ext, wire.HaveNone{}}},
		{"some", hello, wire.SpanBitfield{Bits: some.Bytes()}, []any{ext, wire.Bitfield{Bits: []byte{0x40}}}},
		{"all, to a client without extensions", basic, c.all(), []any{wire.Bitfield{Bits: []byte{0xf0}}}},
	} {
		tell(t, c, x.h, func(t *testing.T, s *story) {
			s.Send(x.have)
			if got := s.says(); fmt.Sprint(got) != fmt.Sprint(x.want) {
				t.Errorf("%s: says %v; want %v", x.name, got, x.want)
			}
		})
	}
}

var ext = wire.ExtHandshake{M: map[string]int{}, Client: "rackswarm test", Queue: serveQueue}

// A client asks for the whole of a short piece with its padding, as libtorrent
// does, and for the content of it alone, as others do.
func TestRequestsAreServed(t *testing.T) {
	c := newContent(16<<10, 5000, 777, 40_000)
	for _, length := range []uint32{777, 16 << 10} {
		tell(t, c, hello, func(t *testing.T, s *story) {
			s.Send(c.all())
			s.tell(wire.HaveNone{}, wire.Interested{}, wire.Request{Piece: 1, Length: length})
			if heard := s.sink.take(); !has(heard, wire.Message(wire.SpanRequest{Span: 0, Begin: 5000, Length: 777})) {
				t.Fatalf("the loop hears %v", heard)
			}
			s.SendSpan(0, 5000, 777, func(buf []byte) error { return c.read(0, 5000, buf) })
			said := s.says()
			payload, ok := said[len(said)-1].([]byte)
			want := append(bytes.Clone(c.span(0, 5000, 777)), make([]byte, length-777)...)
			if !ok || !bytes.Equal(payload, want) || !has(said, any(wire.Unchoke{})) {
				t.Errorf("a request of %d bytes is answered by %v", length, said)
			}
			if st := s.Stats(); st.PayloadOut != int64(length) || st.QueuedBlocks != 0 {
				t.Errorf("counted %+v", st)
			}
		})
	}
}

func TestRequestIsTakenBackOrRejected(t *testing.T) {
	c := newContent(16<<10, 40_000)
	first, second, third := wire.Request{Piece: 0, Length: 100}, wire.Request{Piece: 1, Length: 100}, wire.Request{Piece: 2, Length: 100}
	tell(t, c, hello, func(t *testing.T, s *story) {
		s.Send(c.all())
		s.tell(first) // it was not unchoked
		if said := s.says(); !has(said, any(wire.RejectRequest(first))) {
			t.Errorf("before it is unchoked: %v", said)
		}
		s.tell(wire.Interested{}, first, second, third)
		s.tell(wire.Cancel(first))
		if heard := s.sink.take(); !has(heard, wire.Message(wire.SpanCancel{Length: 100})) {
			t.Errorf("the loop hears %v", heard)
		}
		s.Send(wire.SpanReject{Span: 1, Length: 100, Reason: wire.ReasonBusy})
		s.SendSpan(2, 0, 100, func([]byte) error { return fmt.Errorf("the disk is gone") })
		s.SendSpan(0, 0, 100, func([]byte) error { panic("nobody waits for it") })
		said := s.says()
		for _, r := range []wire.Request{first, second, third} {
			if !has(said, any(wire.RejectRequest(r))) {
				t.Errorf("%v is not rejected: %v", r, said)
			}
		}
	})
}

func TestClientThatAsksForTooMuch(t *testing.T) {
	c := newContent(1<<20, 4<<20)
	ask := func(s *story) {
		s.Send(c.all())
		s.tell(wire.Interested{})
		for i := range uint32(maxServing/maxRequest + 1) {
			s.tell(wire.Request{Piece: i / 8, Begin: i % 8 * maxRequest, Length: maxRequest})
		}
	}
	tell(t, c, hello, func(t *testing.T, s *story) {
		ask(s)
		if n := len(s.sink.take()); n != maxServing/maxRequest {
			t.Errorf("the loop hears %d requests", n)
		}
		if said := s.says(); !has(said, any(wire.RejectRequest{Piece: 3, Length: maxRequest})) {
			t.Errorf("the last is not rejected: %v", said)
		}
	})
	tell(t, c, basic, func(t *testing.T, s *story) {
		ask(s) // it does not know rejections
		s.wantEnd(errAskedTooMuch)
	})
}

// A block of many small files is asked for piece by piece, within the client's
// bounds, and handed on once.
func TestBlockIsAssembled(t *testing.T) {
	lengths := make([]int, 100)
	for i := range lengths {
		lengths[i] = 150 + i
	}
	c := newContent(64<<10, lengths...)
	tell(t, c, hello, func(t *testing.T, s *story) {
		s.Send(c.none())
		s.tell(wire.ExtHandshake{Queue: 10}, wire.HaveAll{})
		if said := s.says(); !has(said, any(wire.Interested{})) {
			t.Errorf("not interested: %v", said)
		}
		if heard := s.sink.take(); len(heard) != 0 {
			t.Errorf("the loop hears %v of a client that chokes", heard)
		}
		s.tell(wire.Unchoke{})
		if heard := s.sink.take(); !has(heard, wire.Message(c.all())) {
			t.Errorf("the loop hears %v", heard)
		}
		length := uint32(c.Span(0).Length)
		s.Send(wire.SpanRequest{Length: length})
		for open := s.asks(); len(open) > 0; open = append(open[1:], s.asks()...) {
			if len(open) > 10 {
				t.Fatalf("%d requests at a time", len(open))
			}
			at := s.Conn.spans.place(int(open[0].Piece))
			s.give(open[0], c.span(0, int(at.begin)+int(open[0].Begin), int(open[0].Length)))
		}
		if got := s.sink.blocks[block{0, 0, length}]; !bytes.Equal(got, c.bytes) || len(s.sink.blocks) != 1 {
			t.Errorf("%d blocks, the first of %d bytes", len(s.sink.blocks), len(got))
		}
		s.Send(wire.SpanHave{Spans: []uint32{0}})
		s.wantEnd(errSeeds)
	})
}

func TestClientThatDoesNotAnswer(t *testing.T) {
	c := newContent(16<<10, 40_000)
	asked := wire.SpanRequest{Span: 1, Length: 16 << 10}
	failed := wire.Message(wire.SpanReject{Span: 1, Length: 16 << 10, Reason: wire.ReasonBusy, RetryAfterMs: 1000})
	begin := func(s *story) request {
		s.Send(c.none())
		s.tell(wire.HaveAll{}, wire.Unchoke{})
		s.says()
		s.sink.take()
		s.Send(asked)
		return s.asks()[0]
	}
	tell(t, c, hello, func(t *testing.T, s *story) {
		s.tell(wire.RejectRequest(begin(s)))
		if heard := s.sink.take(); !has(heard, failed) {
			t.Errorf("after a rejection the loop hears %v", heard)
		}
	})
	tell(t, c, hello, func(t *testing.T, s *story) {
		r := begin(s)
		s.tell(wire.Choke{})
		if heard := s.sink.take(); !has(heard, failed) || !has(heard, wire.Message(wire.SpanDontHave{Spans: []uint32{0, 1, 2}})) {
			t.Errorf("after a choke the loop hears %v", heard)
		}
		s.Send(asked) // it had not heard of it
		if got := s.asks(); len(got) != 0 {
			t.Errorf("a client that chokes is asked for %v", got)
		}
		if heard := s.sink.take(); !has(heard, failed) {
			t.Errorf("asked for more, the loop hears %v", heard)
		}
		s.give(r, make([]byte, r.Length)) // under way when it was cancelled
		s.tell(wire.Unchoke{})
		if heard := s.sink.take(); len(s.sink.blocks) != 0 || !has(heard, wire.Message(c.all())) {
			t.Errorf("%d blocks, the loop hears %v", len(s.sink.blocks), heard)
		}
	})
	tell(t, c, hello, func(t *testing.T, s *story) {
		r := begin(s)
		s.Send(wire.SpanCancel(asked))
		if said := s.says(); !has(said, any(wire.Cancel(r))) {
			t.Errorf("the client hears %v", said)
		}
		s.give(r, make([]byte, r.Length))
		if len(s.sink.blocks) != 0 {
			t.Error("what was cancelled is handed on")
		}
		s.give(r, make([]byte, r.Length)) // once more, which nobody asked for
		s.wantEnd(wire.ErrMalformed)
	})
}

func TestHashesAreSent(t *testing.T) {
	c := newContent(16<<10, 100_000)
	r := wire.HashRange{Root: c.Files()[0].Root, Length: 8}
	tell(t, c, hello, func(t *testing.T, s *story) {
		s.tell(wire.HashRequest{HashRange: r}, wire.HashRequest{})
		said := s.says()
		want := append(c.Layer(0), hash{})
		if !has(said, any(wire.Hashes{HashRange: r, Hashes: want})) || !has(said, any(wire.HashReject{})) {
			t.Errorf("says %v", said)
		}
	})
}

func TestImpossibleMessages(t *testing.T) {
	c := newContent(16<<10, 40_000)
	for name, m := range map[string]wire.Message{
		"a piece that does not exist": wire.Have{Piece: 3},
		"a short bitfield":            wire.Bitfield{},
		"spare bits":                  wire.Bitfield{Bits: []byte{0x01}},
		"a request of no piece":       wire.Request{Piece: 3, Length: 1},
		"a request beyond the piece":  wire.Request{Begin: 16<<10 - 5, Length: 6},
		"a request of padding alone":  wire.Request{Piece: 2, Begin: 8000, Length: 5},
		"a request that is too long":  wire.Request{Length: 1 << 20},
		"a request that overflows":    wire.Request{Begin: 1<<32 - 1, Length: 1},
		"a cancel of no piece":        wire.Cancel{Piece: 9, Length: 1},
		"hashes":                      wire.Hashes{},
		"a rejected hash request":     wire.HashReject{},
		"a message of agents":         wire.Start{},
		"a span request":              wire.SpanRequest{Length: 1},
		"a manifest":                  wire.ManifestReject{},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, c, hello, func(t *testing.T, s *story) {
				s.Send(c.all())
				s.tell(wire.Interested{}, m)
				s.wantEnd(wire.ErrMalformed)
			})
		})
	}
	tell(t, c, hello, func(t *testing.T, s *story) {
		s.give(request{Length: 100}, make([]byte, 100))
		s.wantEnd(wire.ErrMalformed)
	})
}

func TestPanicEndsTheConnectionOnly(t *testing.T) {
	c := newContent(16<<10, 40_000)
	tell(t, c, hello, func(t *testing.T, s *story) {
		s.sink.panics = true
		s.Send(c.all())
		s.tell(wire.Interested{}, wire.Request{Length: 1})
		synctest.Wait()
		select {
		case err := <-s.ended:
			t.Log(err)
		default:
			t.Error("the connection goes on")
		}
	})
}

// A client that asks on and on and takes nothing does not make us grow.
func TestClientThatTakesNothing(t *testing.T) {
	c := newContent(16<<10, 40_000)
	synctest.Test(t, func(t *testing.T) {
		s := meetDeaf(t, c, hello)
		flood := wire.Append(nil, wire.HashRequest{HashRange: wire.HashRange{Root: c.Files()[0].Root, Length: 4}}, 0)
		for range maxControl / len(flood) {
			if _, err := s.far.Write(flood); err != nil {
				break
			}
		}
		s.wantEnd(errControlFull)
	})
}

// A silent client is given up, and one that has nothing to say is kept awake.
func TestSilence(t *testing.T) {
	c := newContent(16<<10, 40_000)
	tell(t, c, hello, func(t *testing.T, s *story) {
		s.says()
		time.Sleep(keepAliveAfter)
		if said := s.says(); !has(said, any(wire.KeepAlive{})) {
			t.Errorf("says %v", said)
		}
		s.tell(wire.KeepAlive{})
		time.Sleep(idleTimeout - time.Second)
		synctest.Wait()
		select {
		case err := <-s.ended:
			t.Fatal(err)
		default:
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		select {
		case err := <-s.ended:
			t.Log(err)
		default:
			t.Error("the connection goes on")
		}
	})
}

// Tiny requests count for more than their bytes: what waits takes memory.
func TestClientThatAsksForSingleBytes(t *testing.T) {
	c := newContent(16<<10, 16<<10)
	tell(t, c, hello, func(t *testing.T, s *story) {
		s.Send(c.all())
		s.tell(wire.Interested{})
		for i := range uint32(2000) {
			s.tell(wire.Request{Begin: i, Length: 1})
		}
		if n := len(s.sink.take()); n != maxServing/leastRequest {
			t.Errorf("%d requests of a byte wait", n)
		}
		s.tell(wire.Cancel{Begin: 0, Length: 1}, wire.Request{Begin: 5000, Length: 1})
		if n := len(s.sink.take()); n != 2 {
			t.Errorf("the loop hears %d messages after one was taken back", n)
		}
	})
}

// What has the loop look at all pieces is said once, or now and then.
func TestClientThatWavers(t *testing.T) {
	c := newContent(16<<10, 40_000)
	waver := []wire.Message{wire.Unchoke{}, wire.Choke{}}
	tell(t, c, hello, func(t *testing.T, s *story) {
		s.Send(c.none())
		s.tell(wire.HaveAll{})
		for range 3 {
			for range maxChokes {
				s.tell(waver...)
			}
			time.Sleep(chokePeriod)
		}
		if n := len(s.sink.take()); n != 2*3*maxChokes {
			t.Errorf("the loop hears %d messages", n)
		}
		for range maxChokes {
			s.tell(waver...)
		}
		s.tell(wire.Choke{})
		s.wantEnd(wire.ErrMalformed)
	})
	for _, again := range []wire.Message{wire.HaveAll{}, wire.HaveNone{}, wire.Bitfield{Bits: []byte{0xe0}}} {
		tell(t, c, hello, func(t *testing.T, s *story) {
			s.Send(c.none())
			s.tell(wire.HaveNone{}, again)
			s.wantEnd(wire.ErrMalformed)
		})
	}
}
