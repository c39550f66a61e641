package traces

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
)

const ms = 1_000_000

func line(node unit.NodeID, at int64, ev trace.Event) trace.Line {
	return trace.Line{At: unit.Time(at * ms), Node: node, Transfer: artifact.Digest{1}, Event: ev}
}

func TestStartWays(t *testing.T) {
	told := func(peer unit.NodeID, received bool, spans ...uint32) trace.Start {
		return trace.Start{Peer: peer, Spans: spans, Received: received}
	}
	a := Trace{Node: "a", Epoch: 1000 * ms, Lines: []trace.Line{
		line("a", 10, trace.Request{Peer: "s", Span: 1}),
		line("a", 11, trace.Request{Peer: "s", Span: 1, Begin: 100}), // the decision was the first
		line("a", 12, trace.Request{Peer: "s", Span: 2}),
		line("a", 13, told("b", false, 1, 2)),
		line("a", 13, told("c", false, 1)),
		line("a", 14, told("b", true, 9)),
		line("a", 5000, told("d", false, 1)),               // told again, to one who came later
		line("a", 6000, trace.Request{Peer: "s", Span: 2}), // given up and begun again
		line("a", 6001, told("b", false, 2)),
	}}
	b := Trace{Node: "b", Epoch: 500 * ms, Lines: []trace.Line{
		line("b", 515, told("a", true, 1, 2)), // at 1015: 5 ms and 3 ms
		line("b", 516, told("a", true, 1)),    // again, by another way
		line("b", 900, told("a", true, 7)),    // a never said so
		line("b", 6507, told("a", true, 2)),   // 7 ms
	}}
	c := Trace{Node: "c", Epoch: 1000 * ms, Lines: []trace.Line{line("c", 30, told("a", true, 1))}} // 20 ms
	d := Trace{Node: "d", Epoch: 1000 * ms, Lines: []trace.Line{line("d", 5001, told("a", true, 1))}}
	if got, want := StartWays([]Trace{a, b, c, d}), []Way{{"a", "b", 3 * ms}, {"a", "b", 5 * ms}, {"a", "b", 7 * ms}, {"a", "c", 20 * ms}}; !slices.Equal(got, want) {
		t.Errorf("the ways took %v, want %v", got, want)
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	var text []byte
	for _, l := range []trace.Line{line("a", 0, trace.Anchor{Unix: 42}), line("a", 1, trace.Complete{})} {
		var err error
		if text, err = trace.Append(text, l); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		text  []byte
		lines int
		fails bool
	}{
		{"whole", text, 2, false},
		{"the last line is not written yet", text[:len(text)-5], 1, false},
		{"no anchor", text[slices.Index(text, '\n')+1:], 0, true},
	} {
		if err := os.WriteFile(path, c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path)
		if (err != nil) != c.fails || !c.fails && (len(got.Lines) != c.lines || got.Epoch != 42 || got.Node != "a") {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestSlots(t *testing.T) {
	slot := func(node unit.NodeID, at int64, n int, held bool) trace.Line {
		return line(node, at, trace.Slot{Location: "r", Slot: n, Held: held})
	}
	a := Trace{Node: "a", Lines: []trace.Line{slot("a", 1, 0, true), slot("a", 3, 0, true), slot("a", 5, 0, false)}}
	b := Trace{Node: "b", Lines: []trace.Line{slot("b", 2, 0, false), slot("b", 2, 1, true), slot("b", 7, 0, true), line("b", 9, trace.Leave{})}}
	o := Slots([]Trace{a, b})
	var at []int64
	for _, c := range o.Changes {
		at = append(at, c.UnixMilli())
	}
	if want := []int64{1, 2, 5, 7, 9}; !slices.Equal(at, want) {
		t.Errorf("the slots changed at %v ms, want %v", at, want)
	}
	if o.Most["r"] != 2 || len(o.Most) != 1 {
		t.Errorf("there were at most %v representatives, want 2 of r", o.Most)
	}
}
