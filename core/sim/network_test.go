package sim

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
	"github.com/rackswarm/rackswarm/core/wire"
)

// drawn is a tree of places and flows among the lowest ones.
func drawn(t *rapid.T) (*network, []*flow) {
	n := newNetwork(&clock{})
	rate := rapid.OneOf(rapid.Just(unit.Unlimited), rapid.Map(rapid.Int64Range(1, 1e9), func(r int64) unit.Rate { return unit.Rate(r) }))
	link := func() topo.Link { return topo.Link{Up: rate.Draw(t, "up"), Down: rate.Draw(t, "down")} }
	var hosts []*place
	for range rapid.IntRange(1, 4).Draw(t, "racks") {
		rack := n.place(n.root, link(), 0, 0)
		for range rapid.IntRange(1, 4).Draw(t, "hosts") {
			hosts = append(hosts, n.place(rack, link(), 0, 0))
		}
	}
	host := rapid.SampledFrom(hosts)
	var flows []*flow
	for range rapid.IntRange(1, 30).Draw(t, "flows") {
		a, b := host.Draw(t, "from"), host.Draw(t, "to")
		if a == b {
			continue
		}
		f := newFlow(route(a, b), route(b, a), float64(rapid.Int64Range(1, 2e9).Draw(t, "ceiling")))
		flows = append(flows, f)
		n.begin(f)
	}
	return n, flows
}

// reference is water-filling as it is defined: all rise by the same until a link
// is full or a flow has all that it can take.
func reference(n *network, flows []*flow) []float64 {
	rates := make([]float64, len(flows))
	still := make([]bool, len(flows))
	for {
		rise, rising := math.Inf(1), 0
		for i, f := range flows {
			if !still[i] {
				rising++
				rise = min(rise, f.ceiling-rates[i])
			}
		}
		if rising == 0 {
			return rates
		}
		left := map[*link]float64{}
		for _, l := range n.links {
			used, count := 0., 0
			for i, f := range flows {
				if slices.Contains(f.path, l) {
					used += rates[i]
					if !still[i] {
						count++
					}
				}
			}
			left[l] = l.free() - used
			if count > 0 {
				rise = min(rise, left[l]/float64(count))
			}
		}
		for i := range flows {
			if !still[i] {
				rates[i] += rise
			}
		}
		freeze(n, flows, rates, still)
	}
}

// freeze stills the flows that have all they can take, or cross a full link.
func freeze(n *network, flows []*flow, rates []float64, still []bool) {
	const close = 1 - 1e-9
	full := map[*link]bool{}
	for _, l := range n.links {
		used := 0.
		for i, f := range flows {
			if slices.Contains(f.path, l) {
				used += rates[i]
			}
		}
		full[l] = used >= l.free()*close
	}
	for i, f := range flows {
		if rates[i] >= f.ceiling*close || slices.ContainsFunc(f.path, func(l *link) bool { return full[l] }) {
			still[i] = true
		}
	}
}

func TestSharesAreMaxMinFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, flows := drawn(t)
		n.share()
		for _, l := range n.links {
			l.acks = 0 // of these shares, and counted the next time
		}
		n.share()
		for _, l := range n.links {
			l.acks = 0
		}
		for i, want := range reference(n, flows) {
			if got := flows[i].rate; math.Abs(got-want) > 1e-6*want+1e-3 {
				t.Fatalf("flow %d of %d gets %g, the reference %g", i, len(flows), got, want)
			}
		}
	})
}

// Whatever begins and ends in between, nothing carries more than it can.
func TestLinksCarryNoMoreThanTheyCan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, flows := drawn(t)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			then := n.clock.now.Add(rapid.SampledFrom([]time.Duration{0, step / 3, step, 5 * step}).Draw(t, "pause"))
			for n.clock.next(then) {
			}
			n.clock.now = then
			f := rapid.SampledFrom(flowsOr(flows, n)).Draw(t, "flow")
			if f.active {
				n.cancel(f)
			} else {
				n.begin(f)
			}
			for _, l := range n.links {
				if l.used > l.capacity*(1+1e-9)+1e-3 {
					t.Fatalf("flows use %g of a link of %g", l.used, l.capacity)
				}
			}
		}
		took := n.end.Sub(0).Seconds()
		for _, l := range n.links {
			if most := l.capacity * took; l.carried > most*(1+1e-9)+1e-3 {
				t.Fatalf("a link carried %g in %g s; it can %g", l.carried, took, most)
			}
		}
	})
}

// flowsOr are the flows, or one over nothing if there are none.
func flowsOr(flows []*flow, _ *network) []*flow {
	if len(flows) == 0 {
		return []*flow{newFlow(nil, nil, 1)}
	}
	return flows
}

func TestTCPCeiling(t *testing.T) {
	for _, c := range []struct {
		loss     float64
		rtt      time.Duration
		from, to float64 // Mbit/s
	}{
		{0, 200 * time.Microsecond, 9999, 10001},    // the host's
		{0, 100 * time.Millisecond, 240, 260},       // the window's
		{0.001, 20 * time.Millisecond, 20, 60},      // Mathis: 22; cubic on long ways more
		{0.01, 100 * time.Millisecond, 1, 2},        // 1.4
		{0.01, 200 * time.Microsecond, 500, 10_000}, // next door loss matters little
	} {
		if got := tcpCeiling(c.loss, c.rtt) * 8 / 1e6; got < c.from || got > c.to {
			t.Errorf("loss %g, %s: %.1f Mbit/s, want %g to %g", c.loss, c.rtt, got, c.from, c.to)
		}
	}
}

// pair is a connection between two hosts at one switch.
func pair(t *testing.T, rate unit.Rate) (*simulation, *stream) {
	t.Helper()
	s := &simulation{lengths: []int32{1 << 20}}
	s.net = newNetwork(&s.clock)
	a := &host{sim: s, id: "a", place: s.net.place(s.net.root, topo.Link{Up: rate, Down: rate}, 0, 0)}
	b := &host{sim: s, id: "b", place: s.net.place(s.net.root, topo.Link{Up: rate, Down: rate}, 0, 0)}
	c := &conn{open: true, ends: [2]*stream{newStream(s.net, a, b), newStream(s.net, b, a)}}
	c.ends[0].conn, c.ends[1].conn = c, c
	return s, c.ends[0]
}

// A control message goes ahead of the blocks that wait, but behind what the kernel
// has taken, which is little on a slow link; and a block that waits can be taken back.
func TestControlGoesAhead(t *testing.T) {
	for rate, want := range map[unit.Rate][]string{
		1e6: {"block", "control", "block", "block", "block"},
		1e7: {"block", "block", "block", "control", "block"},
	} {
		s, st := pair(t, rate)
		const block = 64 << 10
		for i := range int32(5) {
			st.putBlock(swarm.Block{Begin: i * block, Length: block})
		}
		st.put(wire.Start{Spans: []uint32{1}})
		st.cancel(swarm.Block{Begin: 4 * block, Length: block})
		var kinds []string
		for _, f := range slices.Concat(st.kernel, st.control, st.blocks) {
			if f.message != nil {
				kinds = append(kinds, "control")
			} else {
				kinds = append(kinds, "block")
			}
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("at %v in order %v, want %v", rate, kinds, want)
		}
		for s.next(unit.Time(time.Second)) {
		}
		if want := 4 * onWire(block+blockHead); st.carried < want || st.carried > want+200 {
			t.Errorf("at %v %g bytes were sent, want %g and a message", rate, st.carried, want)
		}
	}
}

// A queue grows on a link that is full, delays what crosses it, and drains.
func TestFullLinksHaveQueues(t *testing.T) {
	s, st := pair(t, 1.25e6)
	idle := oneWay(st.path)
	st.putBlock(swarm.Block{Length: 1 << 20})
	for s.next(unit.Time(500 * time.Millisecond)) {
	}
	full := st.path[0].longest()
	if d := oneWay(st.path) - idle; d < full*9/10 || d > full*11/5 { // there are two
		t.Errorf("full links delay by %s, want about %s or twice that", d, full)
	}
	for s.next(unit.Time(2 * time.Second)) {
	}
	if d := oneWay(st.path) - idle; d > time.Millisecond {
		t.Errorf("the queue has not drained: %s", d)
	}
}
