package traces

import (
	"cmp"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
)

// startKey is a START of a span from a node to another.
type startKey struct {
	from, to unit.NodeID
	span     uint32
}

// sending is a START that was sent; times are nanoseconds since 1970.
type sending struct {
	decided, sent int64
	arrived       bool
}

// Way is what a START took from one node to another.
type Way struct {
	From, To unit.NodeID
	Took     time.Duration
}

// StartWays is how long each START took, the shortest first: from the request that it
// announces, which is the decision, until the other node has dealt with it: that
// which arrived first, if it was sent by several ways. What is told again to a peer
// that connected later is left out.
func StartWays(traces []Trace) []Way {
	sendings := map[startKey][]sending{}
	for _, t := range traces {
		noteSendings(t, sendings)
	}
	var ways []Way
	for _, t := range traces {
		for _, l := range t.Lines {
			start, ok := l.Event.(trace.Start)
			if !ok || !start.Received {
				continue
			}
			for _, span := range start.Spans {
				s := lastBefore(sendings[startKey{start.Peer, t.Node, span}], t.wall(l))
				if s != nil && s.decided != 0 && !s.arrived {
					s.arrived = true
					ways = append(ways, Way{start.Peer, t.Node, time.Duration(t.wall(l) - s.decided)})
				}
			}
		}
	}
	slices.SortStableFunc(ways, func(a, b Way) int { return cmp.Compare(a.Took, b.Took) })
	return ways
}

// lastBefore finds what was sent last before a time, nil for nothing.
func lastBefore(all []sending, at int64) *sending {
	for i, s := range slices.Backward(all) {
		if s.sent <= at {
			return &all[i]
		}
	}
	return nil
}

// sameFlush is how long after the first of the STARTs of a decision the others
// are sent, in nanoseconds: in one go.
const sameFlush = 5_000_000

// noteSendings notes what a node announced, and when it decided that. A START
// that is told again later has no decision.
func noteSendings(t Trace, sendings map[startKey][]sending) {
	type decision struct{ at, told int64 }
	decisions := map[uint32]decision{} // by span
	for _, l := range t.Lines {
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
				s := sending{decided: d.at, sent: now}
				if now-d.told > sameFlush {
					s.decided = 0
				}
				key := startKey{t.Node, ev.Peer, span}
				sendings[key] = append(sendings[key], s)
			}
		}
	}
}
