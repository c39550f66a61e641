package loop

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/wire"
)

func start(spans ...uint32) wire.Message { return wire.Start{Spans: spans} }
func stop(spans ...uint32) wire.Message  { return wire.Stop{Spans: spans} }
func have(spans ...uint32) wire.Message  { return wire.SpanHave{Spans: spans} }
func lost(spans ...uint32) wire.Message  { return wire.SpanDontHave{Spans: spans} }

// arrival is a message that comes: by datagram with a number, by TCP without one.
type arrival struct {
	number uint64
	m      wire.Message
	want   wire.Message // what is handed on, nil for nothing
}

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		all  []arrival
	}{
		{"a copy by TCP says nothing new", []arrival{
			{1, start(7), start(7)}, {0, start(7), nil},
		}},
		{"of a copy what is new counts", []arrival{
			{2, start(7), start(7)}, {0, start(8), start(8)}, {0, start(7, 9), start(9)},
		}},
		{"a START that comes after its copy", []arrival{
			{0, start(7), start(7)}, {1, start(7), nil},
		}},
		{"a START that comes after its HAVE", []arrival{
			{0, start(7), start(7)}, {0, have(7), have(7)}, {1, start(7), nil},
		}},
		{"a START that comes after the STOP by TCP", []arrival{
			{0, start(7), start(7)}, {0, stop(7), stop(7)}, {1, start(7), nil},
		}},
		{"a START that comes after the STOP by datagram", []arrival{
			{2, stop(7), stop(7)}, {1, start(7), nil}, {0, start(7), nil}, {0, stop(7), nil},
		}},
		{"TCP does not bring back what a datagram ended", []arrival{
			{1, start(7), start(7)}, {2, stop(7), stop(7)}, {0, start(7), nil}, {0, stop(7), nil},
			{3, start(7), start(7)}, {0, start(7), nil}, {0, have(7), have(7)},
		}},
		{"a HAVE on its way ends a later START, which TCP brings again", []arrival{
			{3, start(7), start(7)}, {0, have(7), have(7)}, {0, lost(7), lost(7)}, {0, start(7), start(7)},
		}},
		{"spans are of their own", []arrival{
			{5, start(7), start(7)}, {4, stop(8), stop(8)}, {3, start(7, 8), nil}, {0, start(7, 8), nil},
		}},
		{"a peer whose datagram says something else", []arrival{
			{1, start(7), start(7)}, {0, start(8), start(8)}, {0, start(7), start(7)},
		}},
		{"twice", []arrival{
			{1, start(7), start(7)}, {1, start(7), nil},
		}},
		{"what is no announcement", []arrival{
			{0, wire.Load{}, wire.Load{}}, {0, wire.SpanBitfield{}, wire.SpanBitfield{}}, {1, start(7), start(7)},
		}},
	} {
		var o order
		for i, a := range c.all {
			got := hand(&o, a)
			if !reflect.DeepEqual(got, a.want) {
				t.Errorf("%s: of message %d, %v, %v is handed on, want %v", c.name, i, a.m, got, a.want)
			}
		}
		if len(o.ahead) > 0 && o.told >= 5 {
			t.Errorf("%s: %v is kept", c.name, o.ahead)
		}
	}
}

func hand(o *order, a arrival) wire.Message {
	m, ok := a.m, false
	if a.number > 0 {
		m, ok = o.byDatagram(a.number, m)
	} else {
		m, ok = o.byTCP(m)
	}
	if !ok {
		return nil
	}
	return m
}

func TestOrderIsBounded(t *testing.T) {
	var o order
	for i := range uint32(2 * maxAhead) {
		o.byDatagram(uint64(i)+1, start(i))
	}
	if len(o.ahead) > maxAhead {
		t.Errorf("%d spans are kept", len(o.ahead))
	}
	for i := range uint32(2 * maxAhead) {
		o.byTCP(start(i))
	}
	if len(o.ahead) != 0 {
		t.Errorf("%d spans are kept after TCP has come", len(o.ahead))
	}
}

// A peer announces what it likes; TCP brings it in order; datagrams come before and
// after, in any order, some twice, some not at all. What is believed is at any time
// what TCP has brought, or a later announcement of the span; at the end, all.
func TestOrderOfAnyAnnouncements(t *testing.T) {
	const spans = 4
	rapid.Check(t, func(t *rapid.T) {
		var sent []wire.Message
		for range rapid.IntRange(1, 30).Draw(t, "announcements") {
			about := rapid.SliceOfNDistinct(rapid.Uint32Range(0, spans-1), 1, spans, rapid.ID).Draw(t, "spans")
			sent = append(sent, rapid.SampledFrom([]func(...uint32) wire.Message{start, stop, have, lost}).Draw(t, "kind")(about...))
		}
		var o order
		believed := map[uint32]bool{} // STARTs that count
		truth := make([]map[uint32]bool, len(sent)+1)
		truth[0] = map[uint32]bool{}
		for i, m := range sent {
			truth[i+1] = map[uint32]bool{}
			for s := range truth[i] {
				truth[i+1][s] = true
			}
			believe(truth[i+1], m)
		}
		for told := 0; told < len(sent); {
			i := rapid.IntRange(max(0, told-5), min(len(sent)-1, told+5)).Draw(t, "datagram")
			if _, with := startOrStop(sent[i]); with != nil && rapid.Bool().Draw(t, "by datagram") {
				if m, ok := o.byDatagram(uint64(i)+1, copied(sent[i])); ok {
					believe(believed, m)
				}
			} else {
				told++
				if m, ok := o.byTCP(copied(sent[told-1])); ok {
					believe(believed, m)
				}
			}
			for s := range uint32(spans) {
				if believed[s] != truth[told][s] && !announcedLater(sent[told:], s, believed[s]) {
					t.Fatalf("after %d of %v: START of %d believed: %v", told, sent, s, believed[s])
				}
			}
		}
		if !reflect.DeepEqual(believed, truth[len(sent)]) || len(o.ahead) > 0 {
			t.Fatalf("at the end of %v %v is believed, want %v; %v is kept", sent, believed, truth[len(sent)], o.ahead)
		}
	})
}

// believe is what the swarm makes of an announcement.
func believe(starts map[uint32]bool, m wire.Message) {
	switch m := m.(type) {
	case wire.Start:
		for _, s := range m.Spans {
			starts[s] = true
		}
	case wire.Stop:
		forget(starts, m.Spans)
	case wire.SpanHave:
		forget(starts, m.Spans)
	case wire.SpanDontHave:
		// What a peer has lost it may still be fetching.
	}
}

func forget(starts map[uint32]bool, spans []uint32) {
	for _, s := range spans {
		delete(starts, s)
	}
}

// announcedLater reports whether one of the announcements is a START of the span, or
// a STOP.
func announcedLater(all []wire.Message, span uint32, started bool) bool {
	return slices.ContainsFunc(all, func(m wire.Message) bool {
		spans, _ := startOrStop(m)
		_, starts := m.(wire.Start)
		return starts == started && slices.Contains(spans, span)
	})
}

func copied(m wire.Message) wire.Message {
	switch m := m.(type) {
	case wire.Start:
		return wire.Start{Spans: slices.Clone(m.Spans)}
	case wire.Stop:
		return wire.Stop{Spans: slices.Clone(m.Spans)}
	}
	return m
}

// A START that comes by datagram is heeded and traced before its copy, which changes
// nothing any more.
func TestStartComesByDatagramFirst(t *testing.T) {
	n := newNodes(t, 3)
	tr := n.rogue("early")
	var lines traced
	p := n.startWith("p", rack, nil, nil, func(c *Config) { c.Trace = &lines })
	p.join(n.empty(), false)
	n.enlist(tr, "early")
	conn, err := tr.Dial(t.Context(), p.cfg.Machine.Addr, "p", n.manifest.Digest())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = conn.Run(&forger{n.manifest.NumSpans()}) }()
	t.Cleanup(func() { conn.Close(io.EOF); <-done })
	var k *link
	n.eventually("the connection stands", func() bool {
		p.touch(func(tr *transfer) { k = tr.links["early"] })
		return k != nil
	})
	k.Announced(nil, 1, wire.Start{Spans: []uint32{1}})
	n.eventually("it came", func() bool { return len(lines.starts(t)) > 0 })
	conn.Send(wire.Start{Spans: []uint32{1}})
	conn.Send(wire.Start{Spans: []uint32{2}})
	n.eventually("TCP has come as far", func() bool { return len(lines.starts(t)) > 1 })
	want := []trace.Start{
		{Peer: "early", Spans: []uint32{1}, Received: true, Datagram: true},
		{Peer: "early", Spans: []uint32{2}, Received: true},
	}
	if got := lines.starts(t); !reflect.DeepEqual(got, want) {
		t.Errorf("traced are %+v, want %+v", got, want)
	}
	p.touch(func(*transfer) {
		if len(k.order.ahead) > 0 {
			t.Errorf("%v is kept", k.order.ahead)
		}
	})
}

// traced is a trace that can be read while it is written.
type traced struct{ journal }

func (l *traced) starts(t *testing.T) (received []trace.Start) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		got, err := trace.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := got.Event.(trace.Start); ok && s.Received {
			received = append(received, s)
		}
	}
	return received
}
