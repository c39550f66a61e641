package node_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/overlay"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// limit is a budget that an operator set.
func limit(rate unit.Rate) bandwidth.Budget {
	return bandwidth.NewBudget(bandwidth.Binding{Reason: bandwidth.Group, Rate: rate})
}

// limited bounds a transfer.
func limited(d artifact.Digest, download, upload unit.Rate) node.TransferLimited {
	return node.TransferLimited{Transfer: d, Download: limit(download), Upload: limit(upload)}
}

// ofHops are budgets from the node's own link outward.
func ofHops(rates ...unit.Rate) (list []bandwidth.Budget) {
	links := []topo.Hop{{Location: "ams/r1", Node: "self"}, {Location: "ams/r1"}, {Location: "ams"}}
	for i, r := range rates {
		list = append(list, bandwidth.NewBudget(bandwidth.Binding{Reason: bandwidth.Reserve, Hop: links[i], Rate: r}))
	}
	return list
}

// members are who is in the groups of a node at ams/r1, by location. The number of its uplinks that
// lie between it and the others is their place in neighbours.
var (
	members = map[unit.Location]overlay.Member{
		"ams/r1": {Node: "rack", Location: "ams/r1"}, "ams": {Node: "campus", Location: "ams/r2"}, "": {Node: "far", Location: "fra/r9"},
	}
	neighbours = []unit.NodeID{"rack", "campus", "far"}
)

// climber represents its rack and its site, and is connected to a neighbour at each
// level in each of its transfers. It has the even spans, the neighbours have all.
type climber struct {
	machine *node.Machine
	now     unit.Time
	owed    []node.BlockReceived
	flows   [2][]passage // requested, sent
}

// passage is payload that was requested or admitted, below 0 if it was withdrawn.
type passage struct {
	transfer artifact.Digest
	at       unit.Time
	uplinks  int
	bytes    unit.Bytes
}

const climberSpans, climberSpan = 64, 256 << 10

func newClimber(transfers ...artifact.Digest) *climber {
	strategy := node.DefaultStrategy()
	strategy.Stealing = false // so that it asks everybody, and serves whoever asks
	c := &climber{machine: node.New(0, node.Config{
		Self: "self", Location: "ams/r1", Download: unit.Unlimited, Upload: unit.Unlimited, Strategy: strategy,
	})}
	have := artifact.NewBitset(climberSpans)
	lengths := make([]int32, climberSpans)
	for i := range lengths {
		lengths[i] = climberSpan
		if i%2 == 0 {
			have.Set(i)
		}
	}
	for _, d := range transfers {
		c.step(node.Joined{Transfer: d})
		c.step(node.ContentReady{Transfer: d, Lengths: lengths, Have: have})
		for _, at := range []unit.Location{"ams/r1", "ams", ""} {
			g := overlay.Group{Location: at, Version: 1, Slots: []unit.NodeID{"self"}, Members: []overlay.Member{members[at], {Node: "self", Location: "ams/r1"}}}
			c.step(node.GroupChanged{Transfer: d, Group: g})
			c.step(node.SlotAnswered{Transfer: d, Location: at, Held: true})
			c.step(node.PeerConnected{Transfer: d, Peer: members[at].Node, MaxRequest: 64 << 10})
		}
	}
	for _, d := range transfers {
		for _, peer := range neighbours {
			c.step(node.MessageReceived{Transfer: d, Peer: peer, Message: wire.SpanBitfield{Bits: artifact.All(climberSpans).Bytes()}})
		}
	}
	return c
}

func uplinksTo(peer unit.NodeID) int {
	for i, n := range neighbours {
		if n == peer {
			return i
		}
	}
	panic("no neighbour: " + peer)
}

func (c *climber) step(ev node.Event) {
	for _, a := range c.machine.Flush(c.now, c.machine.Step(c.now, ev, nil)) {
		switch a := a.(type) {
		case node.SendBlock:
			c.flows[1] = append(c.flows[1], passage{a.Transfer, c.now, uplinksTo(a.Peer), unit.Bytes(a.Block.Length)})
			c.machine.Step(c.now, node.BlockSent{Transfer: a.Transfer, Peer: a.Peer, Length: a.Block.Length}, nil)
		case node.Send:
			c.sent(a)
		case node.StoreSpan:
			c.step(node.SpanStored{Transfer: a.Transfer, Span: a.Span, Result: node.Stored})
		}
	}
}

func (c *climber) sent(a node.Send) {
	switch m := a.Message.(type) {
	case wire.SpanRequest:
		b := swarm.Block{Span: int32(m.Span), Begin: int32(m.Begin), Length: int32(m.Length)}
		c.owed = append(c.owed, node.BlockReceived{Transfer: a.Transfer, Peer: a.Peer, Block: b, Kept: true})
		c.flows[0] = append(c.flows[0], passage{a.Transfer, c.now, uplinksTo(a.Peer), unit.Bytes(b.Length)})
	case wire.SpanCancel:
		b := swarm.Block{Span: int32(m.Span), Begin: int32(m.Begin), Length: int32(m.Length)}
		c.owed = deleteFirst(c.owed, func(o node.BlockReceived) bool {
			return o.Transfer == a.Transfer && o.Peer == a.Peer && o.Block == b
		})
		c.flows[0] = append(c.flows[0], passage{a.Transfer, c.now, uplinksTo(a.Peer), -unit.Bytes(b.Length)})
	}
}

func deleteFirst[T any](list []T, is func(T) bool) []T {
	for i, x := range list {
		if is(x) {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}

// run lets time pass; who owes something delivers it after a millisecond, and who
// wants something asks again and again.
func (c *climber) run(long time.Duration, wanted func()) {
	for end := c.now.Add(long); c.now < end; {
		due := c.owed
		c.owed = nil
		for _, o := range due {
			c.step(o)
		}
		if wanted != nil {
			wanted()
		}
		c.now = min(max(c.machine.NextDeadline(c.now), c.now.Add(time.Millisecond)), c.now.Add(2*time.Millisecond), end)
		c.step(node.Wake{})
	}
}

// asks has a neighbour ask for a part of a span that is here.
func (c *climber) asks(d artifact.Digest, peer unit.NodeID, span int) {
	c.step(node.MessageReceived{Transfer: d, Peer: peer, Message: wire.SpanRequest{Span: uint32(span), Length: 64 << 10}})
}

// moved is what passed since a time across so many uplinks, of a transfer.
func (c *climber) moved(direction int, d artifact.Digest, since unit.Time, uplinks int) (sum unit.Bytes) {
	for _, p := range c.flows[direction] {
		if p.transfer == d && p.at >= since && p.uplinks == uplinks {
			sum += p.bytes
		}
	}
	return sum
}

// change is when the rate of a hop was set.
type change struct {
	at   unit.Time
	rate unit.Rate
}

// Whatever happens, no more is requested or sent over a hop in any time than its
// highest rate in that time, the burst of its bucket and a block allow.
func TestNoHopCarriesMoreThanItsBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClimber(one, two)
		rates := [2][3][]change{}
		for d := range rates {
			for hop := range rates[d] {
				rates[d][hop] = []change{{0, unit.Unlimited}}
			}
		}
		c.flows = [2][]passage{} // before there were budgets
		rate := rapid.SampledFrom([]unit.Rate{0, 1e4, 1e5, 1e6, unit.Unlimited})
		digest := rapid.SampledFrom([]artifact.Digest{one, two})
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				var all [2][]unit.Rate
				for d := range all {
					for hop := range rates[d] {
						r := rate.Draw(t, "rate")
						all[d] = append(all[d], r)
						rates[d][hop] = append(rates[d][hop], change{c.now, r})
					}
				}
				c.step(node.BudgetsChanged{Download: ofHops(all[0]...), Upload: ofHops(all[1]...)})
			case 1:
				ev := limited(digest.Draw(t, "transfer"), rate.Draw(t, "download"), rate.Draw(t, "upload"))
				ev.Rank = rapid.SampledFrom([]bandwidth.Rank{bandwidth.Background, bandwidth.Normal, bandwidth.Urgent}).Draw(t, "rank")
				c.step(ev)
			case 2:
				c.run(rapid.SampledFrom([]time.Duration{time.Millisecond, 30 * time.Millisecond, 300 * time.Millisecond}).Draw(t, "time"), nil)
			case 3:
				d, peer := digest.Draw(t, "of"), rapid.SampledFrom(neighbours).Draw(t, "by")
				for x := 0; x < climberSpans; x += 8 {
					c.asks(d, peer, x)
				}
			case 4:
				peer := rapid.SampledFrom(neighbours).Draw(t, "lost")
				c.step(node.ContentChanged{Transfer: digest.Draw(t, "in"), Have: artifact.NewBitset(climberSpans)})
				c.step(node.MessageReceived{Transfer: one, Peer: peer, Message: wire.SpanHave{Spans: []uint32{1}}})
			}
		}
		for d, flow := range c.flows {
			for hop := range rates[d] {
				checkHop(t, hop, flow, rates[d][hop])
			}
		}
	})
}

// checkHop looks at all times that begin and end with a passage over a hop.
func checkHop(t *rapid.T, hop int, flow []passage, rates []change) {
	t.Helper()
	const block = 64 << 10
	for i, first := range flow {
		sum := unit.Bytes(0)
		for _, p := range flow[i:] {
			if p.uplinks < hop {
				continue
			}
			sum += p.bytes
			most := highest(rates, first.at, p.at)
			if most == unit.Unlimited {
				break
			}
			if allowed := most.In(p.at.Sub(first.at)) + most.In(50*time.Millisecond) + 1 + block; sum > allowed {
				t.Fatalf("%d bytes over hop %d from %v to %v, %d allowed: %+v, %+v", sum, hop, first.at, p.at, allowed, flow, rates)
			}
		}
	}
}

// highest is the highest rate from one time to another.
func highest(rates []change, from, to unit.Time) (most unit.Rate) {
	for i, c := range rates {
		if c.at <= to && (i+1 == len(rates) || rates[i+1].at >= from) {
			most = max(most, c.rate)
		}
	}
	return most
}

// While the uplink gives nothing, what does not cross it goes on in both directions;
// what does is withdrawn and refused.
func TestRackGoesOnWhileItsUplinkIsClosed(t *testing.T) {
	c := newClimber(one)
	c.step(node.BudgetsChanged{Download: ofHops(1e6, 0), Upload: ofHops(1e6, 0)})
	for _, o := range c.owed {
		if o.Peer != "rack" {
			t.Errorf("%s is still asked for %v", o.Peer, o.Block)
		}
	}
	ask := func() {
		for _, peer := range neighbours {
			c.asks(one, peer, 2)
		}
	}
	start := c.now
	c.run(2*time.Second, ask)
	for direction, name := range []string{"received", "sent"} {
		if n := c.moved(direction, one, start, 0); n < 15e5 {
			t.Errorf("%d bytes %s inside in 2 s, want 2 MB", n, name)
		}
		if n := c.moved(direction, one, start, 1) + c.moved(direction, one, start, 2); n != 0 {
			t.Errorf("%d bytes %s across the uplink", n, name)
		}
	}
	c.step(node.BudgetsChanged{Download: ofHops(1e6, 1e6), Upload: ofHops(1e6, 1e6)})
	start = c.now
	c.run(time.Second, ask)
	if n := c.moved(1, one, start, 1) + c.moved(1, one, start, 2); n < 7e5 {
		t.Error("little is sent across the uplink when it is open again")
	}
}

// What crosses more uplinks goes first where the node's own link is short, and the
// rest has what the uplinks do not take (requirement 41).
func TestOuterBlocksGoFirst(t *testing.T) {
	c := newClimber(one)
	c.step(node.BudgetsChanged{Upload: ofHops(1e6, 6e5, 2e5)})
	start := c.now
	c.run(5*time.Second, func() {
		for _, peer := range neighbours {
			c.asks(one, peer, 2)
		}
	})
	for uplinks, want := range []unit.Bytes{2e6, 2e6, 1e6} {
		if n := c.moved(1, one, start, uplinks); n < want*8/10 || n > want*12/10 {
			t.Errorf("%d bytes across %d uplinks in 5 s, want %d", n, uplinks, want)
		}
	}
}

// An urgent transfer has all that it can use within a second, and the other goes on
// where it was afterwards.
func TestUrgentTransferPreempts(t *testing.T) {
	c := newClimber(one, two)
	c.step(node.BudgetsChanged{Download: ofHops(1e6), Upload: ofHops(1e6)})
	ask := func() {
		for _, d := range []artifact.Digest{one, two} {
			c.asks(d, "campus", 2)
		}
	}
	c.run(time.Second, ask)
	urgent := limited(two, unit.Unlimited, unit.Unlimited)
	urgent.Rank = bandwidth.Urgent
	c.step(urgent)
	c.run(time.Second, ask)
	start := c.now
	c.run(2*time.Second, ask)
	for direction, name := range []string{"requested", "sent"} {
		var other, first unit.Bytes
		for uplinks := range neighbours {
			other += c.moved(direction, one, start, uplinks)
			first += c.moved(direction, two, start, uplinks)
		}
		if other > 2*64<<10 || first < 17e5 {
			t.Errorf("%d bytes of the urgent transfer %s in 2 s, %d of the other; want 2 MB, none", first, name, other)
		}
	}
	if down, up := c.machine.Bindings(c.now, one); up[1].Reason != bandwidth.Priority || down[0].Reason == bandwidth.Open {
		t.Errorf("it is held back by %v and %v", down, up)
	}
	c.step(limited(two, 0, 0))
	start = c.now
	c.run(time.Second, ask)
	if n := c.moved(1, one, start, 1); n < 7e5 {
		t.Errorf("%d bytes sent in the second after the urgent transfer", n)
	}
}

// Who has what a peer lacks wants to send it, before he is asked: shares take time.
func TestWhoHasWhatPeersLackWantsToSend(t *testing.T) {
	c := newClimber(one)
	c.step(node.MessageReceived{Transfer: one, Peer: "campus", Message: wire.SpanDontHave{Spans: []uint32{0}}})
	for _, h := range c.machine.Demand(c.now) {
		if h.Up && h.Wants != (h.Hop <= uplinksTo("campus")) {
			t.Errorf("%+v", h)
		}
	}
}

// Demand says over which hops something is to be moved, and what was.
func TestDemand(t *testing.T) {
	c := newClimber(one)
	c.step(node.BudgetsChanged{Download: ofHops(1e6, 1e6, 0), Upload: ofHops(unit.Unlimited, 1e5, unit.Unlimited)})
	c.run(time.Second, func() { c.asks(one, "campus", 2) })
	rows := map[bool][]node.HopDemand{}
	for _, h := range c.machine.Demand(c.now) {
		if h.Rank != bandwidth.Normal || h.Hop != len(rows[h.Up]) {
			t.Fatalf("a row %+v after %+v", h, rows)
		}
		rows[h.Up] = append(rows[h.Up], h)
	}
	for up, wants := range map[bool][]bool{false: {true, true, true}, true: {true, true, false}} {
		direction := 0
		if up {
			direction = 1
		}
		for hop, row := range rows[up] {
			if row.Wants != wants[hop] {
				t.Errorf("of hop %d, up %v, something is wanted: %v", hop, up, row.Wants)
			}
			var moved, owed unit.Bytes
			for uplinks := hop; uplinks < 3; uplinks++ {
				moved += c.moved(direction, one, 0, uplinks)
			}
			for _, o := range c.owed {
				if !up && uplinksTo(o.Peer) >= hop {
					owed += unit.Bytes(o.Block.Length)
				}
			}
			if row.Moved != moved-owed {
				t.Errorf("over hop %d, up %v, %d bytes are said to have been moved, %d were", hop, up, row.Moved, moved-owed)
			}
		}
	}
	before := c.machine.Demand(c.now)
	urgent := limited(one, unit.Unlimited, unit.Unlimited)
	urgent.Rank = bandwidth.Urgent
	c.step(urgent)
	c.step(node.Left{Transfer: one})
	after := c.machine.Demand(c.now)
	for i, row := range before {
		if after[i].Moved != row.Moved || after[i].Wants {
			t.Errorf("when the transfer had ended %+v became %+v", row, after[i])
		}
	}
}
