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

// sending is a START that was sent; times are nanoseconds since 1970.
type sending struct{ decided, sent int64 }

// startWays is how long each START took, in milliseconds and sorted: from the
// request that it announces, which is the decision, until the other node has
// dealt with it. What is told again to a peer that connected later is left out.
func startWays(traces []nodeTrace) []float64 {
	sendings := map[startKey][]sending{}
	for _, t := range traces {
		noteSendings(t, sendings)
	}
	var ways []float64
	for _, t := range traces {
		for _, l := range t.lines {
			start, ok := l.Event.(trace.Start)
			if !ok || !start.Received {
				continue
			}
			for _, span := range start.Spans {
				if s, ok := lastBefore(sendings[startKey{start.Peer, t.node, span}], t.wall(l)); ok {
					ways = append(ways, float64(t.wall(l)-s.decided)/1e6)
				}
			}
		}
	}
	slices.Sort(ways)
	return ways
}

// lastBefore finds what was sent last before a time.
func lastBefore(all []sending, at int64) (sending, bool) {
	for _, s := range slices.Backward(all) {
		if s.sent <= at {
			return s, s.decided != 0
		}
	}
	return sending{}, false
}

func (t nodeTrace) wall(l trace.Line) int64 { return t.epoch + int64(l.At) }

// sameFlush is how long after the first of the STARTs of a decision the others
// are sent, in nanoseconds: in one go.
const sameFlush = 5_000_000

// noteSendings notes what a node announced, and when it decided that. A START
// that is told again later has no decision.
func noteSendings(t nodeTrace, sendings map[startKey][]sending) {
	type decision struct{ at, told int64 }
	decisions := map[uint32]decision{} // by span
	for _, l := range t.lines {
		now := t.wall(l)
		switch ev := l.Event.(type) {
		case trace.Request:
			// The first block of a span, perhaps again after it was given up.
			if _, known := decisions[ev.Span]; !known || ev.Begin == 0 {
				decisions[ev.Span] = decision{at: now}
			}
		case trace.Start:
			if ev.Received {
				continue
			}
			for _, span := range ev.Spans {
				d := decisions[span]
				if d.told == 0 {
					d.told = now
					decisions[span] = d
				}
				s := sending{d.at, now}
				if now-d.told > sameFlush {
					s.decided = 0
				}
				key := startKey{t.node, ev.Peer, span}
				sendings[key] = append(sendings[key], s)
			}
		}
	}
}
