package main

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
	a := nodeTrace{node: "a", epoch: 1000 * ms, lines: []trace.Line{
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
	b := nodeTrace{node: "b", epoch: 500 * ms, lines: []trace.Line{
		line("b", 515, told("a", true, 1, 2)), // at 1015: 5 ms and 3 ms
		line("b", 900, told("a", true, 7)),    // a never said so
		line("b", 6507, told("a", true, 2)),   // 7 ms
	}}
	c := nodeTrace{node: "c", epoch: 1000 * ms, lines: []trace.Line{line("c", 30, told("a", true, 1))}} // 20 ms
	d := nodeTrace{node: "d", epoch: 1000 * ms, lines: []trace.Line{line("d", 5001, told("a", true, 1))}}
	if got, want := startWays([]nodeTrace{a, b, c, d}), []float64{3, 5, 7, 20}; !slices.Equal(got, want) {
		t.Errorf("the ways took %v ms, want %v", got, want)
	}
}

func TestReadTrace(t *testing.T) {
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
		got, err := readTrace(path)
		if (err != nil) != c.fails || !c.fails && (len(got.lines) != c.lines || got.epoch != 42 || got.node != "a") {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}
