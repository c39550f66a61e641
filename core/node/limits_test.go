package node_test

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// Who has a limit needs a fifth more at most than what the limit takes; who has
// none needs little more than if nobody had one.
func TestLimitsAreUsed(t *testing.T) {
	const (
		fifth = 1.2
		held  = 750 * time.Millisecond // by spans that a slower fellow was given first
	)
	const relayed = "the seeder of two racks"
	type member struct {
		id       unit.NodeID
		location unit.Location
		download bool // has the limit
		upload   bool
	}
	fleets := map[string][]member{
		"alone":           {{"s", "ams/r1", false, false}, {"a", "ams/r1", true, false}},
		"in a rack":       {{"s", "ams/r1", false, false}, {"a", "ams/r1", true, false}, {"b", "ams/r1", false, false}, {"c", "ams/r1", false, false}},
		"in another rack": {{"s", "ams/r1", false, false}, {"a", "ams/r1", false, false}, {"b", "ams/r2", true, false}, {"c", "ams/r2", false, false}, {"d", "ams/r2", false, false}},
		"far":             {{"s", "ams/r1", false, false}, {"a", "ams/r1", false, false}, {"b", "fra/r1", true, false}, {"c", "fra/r1", false, false}},
		"everybody":       {{"s", "ams/r1", false, false}, {"a", "ams/r1", true, false}, {"b", "ams/r2", true, false}, {"c", "ams/r2", true, false}, {"d", "ams/r2", true, false}},
		"the seeder":      {{"s", "ams/r1", false, true}, {"a", "ams/r1", false, false}, {"b", "ams/r1", false, false}, {"c", "ams/r1", false, false}},
		relayed:           {{"s", "ams/r1", false, true}, {"a", "ams/r1", false, false}, {"b", "ams/r2", false, false}, {"c", "ams/r2", false, false}},
	}
	lengths := func(rate unit.Rate) []int32 {
		piece := int32(64 << 10)
		if rate > 1e6 {
			piece = 1 << 20
		}
		spans := make([]int32, max(3<<20, rate.In(4*time.Second))/unit.Bytes(piece))
		for i := range spans {
			spans[i] = piece
		}
		return spans
	}
	// play returns when each was done, with the limit and in a network without.
	play := func(members []member, spans []int32, rate unit.Rate) map[unit.NodeID]time.Duration {
		f := newFleet(7, spans)
		for i, m := range members {
			h := &host{id: m.id, location: m.location, initial: i == 0, up: 1e9}
			if m.download {
				h.download = rate
			}
			if m.upload {
				h.upload = rate
			}
			f.add(h)
		}
		f.play(unit.Time(5 * time.Minute))
		done := map[unit.NodeID]time.Duration{}
		for id, h := range f.hosts {
			done[id] = time.Duration(h.doneAt)
		}
		return done
	}
	for name, members := range fleets {
		for _, rate := range []unit.Rate{50e3, 1e6, 100e6} {
			if name == relayed && rate < 1e6 {
				continue // blocks are too seldom to tell that the own rack is being served: some go to both racks
			}
			spans := lengths(rate)
			free, limited := play(members, spans, unit.Unlimited), play(members, spans, rate)
			takes := unit.Bytes(len(spans) * int(spans[0])).Over(rate)
			for _, m := range members[1:] {
				most := free[m.id] + held
				if m.download || members[0].upload {
					most = time.Duration(fifth * float64(takes))
				}
				if limited[m.id] > most {
					t.Errorf("%s, %v: %s was done at %v, later than %v; the limit takes %v", name, rate, m.id, limited[m.id], most, takes)
				}
			}
		}
	}
}

// Transfers of one node take turns with what its limit allows.
func TestTransfersShareALimit(t *testing.T) {
	m := node.New(0, node.Config{Self: "self", Location: "r", Download: 1e6, Upload: unit.Unlimited})
	digests := []artifact.Digest{{1}, {2}, {3}}
	for _, d := range digests {
		m.Step(0, node.Joined{Transfer: d}, nil)
		m.Step(0, node.ContentReady{Transfer: d, Lengths: []int32{16 << 20}, Have: artifact.NewBitset(1)}, nil)
		m.Step(0, node.GroupChanged{Transfer: d, Group: overlay.Group{Location: "r", Members: []overlay.Member{
			{Node: "giver", Location: "r"}, {Node: "self", Location: "r"},
		}}}, nil)
		m.Step(0, node.PeerConnected{Transfer: d, Peer: "giver"}, nil)
	}
	asked := map[artifact.Digest]int64{}
	var blocks []node.BlockReceived
	perform := func(out []node.Action) {
		for _, a := range out {
			if s, ok := a.(node.Send); ok {
				if r, ok := s.Message.(wire.SpanRequest); ok {
					asked[s.Transfer] += int64(r.Length)
					blocks = append(blocks, node.BlockReceived{Transfer: s.Transfer, Peer: s.Peer, Kept: true,
						Block: swarm.Block{Span: int32(r.Span), Begin: int32(r.Begin), Length: int32(r.Length)}})
				}
			}
		}
	}
	for _, d := range digests {
		perform(m.Step(0, node.MessageReceived{Transfer: d, Peer: "giver", Message: wire.SpanHave{Spans: []uint32{0}}}, nil))
	}
	for now := unit.Time(0); now < unit.Time(6*time.Second); now = m.NextDeadline(now) {
		perform(m.Step(now, node.Wake{}, nil))
		for ; len(blocks) > 0; blocks = blocks[1:] {
			perform(m.Step(now, blocks[0], nil))
		}
	}
	for _, d := range digests {
		if n := asked[d]; n < 18e5 || n > 22e5 {
			t.Errorf("%d bytes of transfer %d were requested in 6 s, want a third of 6 MB", n, d[0])
		}
	}
}
