package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
)

// readTraces fills in how long START was on its way.
func (f *fleet) readTraces() error {
	var all []nodeTrace
	for n := range f.agents {
		t, err := readTrace(f.file(n, "trace"))
		if err != nil {
			return err
		}
		all = append(all, t)
	}
	ways := startWays(all)
	if len(ways) == 0 {
		return errors.New("no START in the traces")
	}
	f.round.seen.StartP50, f.round.seen.StartP99 = quantile(ways, 0.5), quantile(ways, 0.99)
	return nil
}

// nodeTrace is what one agent traced, in its order.
type nodeTrace struct {
	node  unit.NodeID
	epoch int64 // nanoseconds since 1970
	lines []trace.Line
}

func readTrace(path string) (nodeTrace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nodeTrace{}, err
	}
	defer f.Close()
	var t nodeTrace
	s := bufio.NewScanner(f)
	s.Buffer(nil, trace.MaxLine)
	for s.Scan() {
		l, err := trace.Parse(s.Bytes())
		if err != nil {
			// The agent still writes the last line.
			break
		}
		if anchor, ok := l.Event.(trace.Anchor); ok {
			t.epoch, t.node = anchor.Unix, l.Node
		}
		t.lines = append(t.lines, l)
	}
	if t.epoch == 0 {
		return t, fmt.Errorf("%s has no anchor", path)
	}
	return t, s.Err()
}

// startKey is a START of a span from a node to another.
type startKey struct {
	from, to unit.NodeID
	span     uint32
}

// startWays is how long each START took, in milliseconds and sorted: from the
// request that it announces, which is the decision, until the other node has
// dealt with it. A START without a request just before it is left out: it was
// told again to a peer that connected later.
func startWays(traces []nodeTrace) []float64 {
	decided := map[startKey]int64{}
	for _, t := range traces {
		noteDecisions(t, decided)
	}
	var ways []float64
	for _, t := range traces {
		for _, l := range t.lines {
			start, ok := l.Event.(trace.Start)
			if !ok || !start.Received {
				continue
			}
			for _, span := range start.Spans {
				key := startKey{start.Peer, t.node, span}
				if at, ok := decided[key]; ok {
					ways = append(ways, float64(t.wall(l)-at)/1e6)
					delete(decided, key)
				}
			}
		}
	}
	slices.Sort(ways)
	return ways
}

func (t nodeTrace) wall(l trace.Line) int64 { return t.epoch + int64(l.At) }

// noteDecisions notes when a node decided what it announced, the first time.
func noteDecisions(t nodeTrace, decided map[startKey]int64) {
	requested := map[uint32]int64{} // by span, not announced to everybody yet
	for _, l := range t.lines {
		switch ev := l.Event.(type) {
		case trace.Request:
			if _, ok := requested[ev.Span]; !ok {
				requested[ev.Span] = t.wall(l)
			}
		case trace.Start:
			for _, span := range ev.Spans {
				key := startKey{t.node, ev.Peer, span}
				at, asked := requested[span]
				if _, told := decided[key]; !ev.Received && asked && !told && t.wall(l)-at < int64(sameTurn) {
					decided[key] = at
				}
			}
		}
	}
}

// sameTurn bounds how long after a request its START may be sent, so that what is
// told again later does not count. A turn of the agents' loop is much shorter.
const sameTurn = 1_000_000_000 // nanoseconds
