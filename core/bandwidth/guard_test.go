package bandwidth

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

func constantly(d time.Duration) func(time.Duration) time.Duration {
	return func(time.Duration) time.Duration { return d }
}

// background is a part of the capacity that changes at some times.
type background []struct {
	from time.Duration
	part float64
}

func (b background) at(t time.Duration) (part float64) {
	for _, s := range b {
		if t >= s.from {
			part = s.part
		}
	}
	return part
}

// newBottleneck is a link that n guarded connections share, one starting after
// the other.
func newBottleneck(capacity unit.Rate, n int, rtt time.Duration, known bool) *bottleneck {
	b := &bottleneck{capacity: float64(capacity), limit: 50 * time.Millisecond, background: background(nil).at}
	for i := range n {
		c := GuardConfig{Floor: FloorOf(capacity), Connections: n, Ceiling: unit.Unlimited}
		if known {
			c.Link = capacity
		}
		b.flows = append(b.flows, &flow{
			guard: NewGuard(c), base: constantly(rtt), noise: unit.NewRand(uint64(i)),
			start: time.Duration(i) * 5 * time.Second / time.Duration(n),
		})
	}
	return b
}

func quantile(d []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(d))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

func jain(b *bottleneck, from, to time.Duration) float64 {
	sum, squares := 0., 0.
	for _, f := range b.flows {
		u := b.used(f, from, to)
		sum, squares = sum+u, squares+u*u
	}
	return sum * sum / squares / float64(len(b.flows))
}

// within is how long after from the connections together first send no more than
// a part of the capacity.
func (b *bottleneck) within(from time.Duration, part float64) time.Duration {
	for d := time.Duration(0); ; d += tick {
		sum := 0.
		for _, f := range b.flows {
			sum += f.rates[(from+d)/tick]
		}
		if sum <= part*b.capacity {
			return d
		}
	}
}

// uses is how long after from the connections together begin to use a part of the
// capacity, in the mean of half a second.
func (b *bottleneck) uses(from time.Duration, part float64) time.Duration {
	const mean = 500 * time.Millisecond
	for d := time.Duration(0); ; d += 50 * time.Millisecond {
		if from+d+mean > b.now || b.all(from+d, from+d+mean) >= part {
			return d
		}
	}
}

const sec = time.Second

// The site's traffic goes from nothing to 60%, 95% and 20%, with a burst of 2 s.
// After a step up the connections are below what is spare within 0.8 s, after a
// step down they use 90% of it within 2.2 s. They share fairly, though they began
// one after the other. Standing queues stay near the target.
func TestGuardFollowsTheSite(t *testing.T) {
	steps := background{{0, 0}, {10 * sec, .6}, {20 * sec, .95}, {30 * sec, .2}, {40 * sec, .8}, {42 * sec, .2}}
	for _, capacity := range []unit.Rate{10 * mbit, 100 * mbit, 1000 * mbit} {
		for _, rtt := range []time.Duration{100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond} {
			for _, n := range []int{1, 4, 16} {
				if n == 16 && (rtt != ms || capacity == 100*mbit) {
					continue // these take long, and tell nothing new
				}
				name := fmt.Sprintf("%d Mbit, %v, %d connections", capacity/mbit, rtt, n)
				b := newBottleneck(capacity, n, rtt, true)
				b.background = steps.at
				b.run(50 * sec)
				target := b.flows[0].guard.Target().Seconds() * 1e3
				var p50, p99 float64
				for _, d := range []time.Duration{4 * sec, 12 * sec, 22 * sec, 33 * sec} {
					from, to := d, d+7*sec-500*time.Millisecond
					if d == 4*sec {
						from = 7 * sec // all have begun
						to = 10 * sec
					}
					p50, p99 = max(p50, quantile(b.delays(from, to), .5)), max(p99, quantile(b.delays(from, to), .99))
				}
				up60, up95 := b.within(10*sec, .4), b.within(20*sec, .05)
				down, burst := b.uses(30*sec, .9*.8), b.uses(42*sec, .9*.8)
				fair := jain(b, 12*sec, 20*sec)
				use := [4]float64{b.all(7*sec, 10*sec), b.all(12*sec, 20*sec) / .4, b.all(22*sec, 30*sec) / .05, b.all(33*sec, 40*sec) / .8}
				t.Logf("%s: target %.1f ms, standing queue %.1f ms (p99 %.1f), below the spare after %v and %v, 90%% after %v and %v, fair %.3f, of the spare %.2f, the site lost %.4f",
					name, target, p50, p99, up60, up95, down, burst, fair, use, b.lostOthers/b.sentOthers)
				// The wanted p99, and what follows from not knowing for a round trip.
				most := max(5*time.Millisecond, (10*frame).Over(capacity)) + max(rtt-ms, 0)/8
				if p50 > target*1.5+rtt.Seconds()*50 || p99 > most.Seconds()*1e3 {
					t.Errorf("%s: a standing queue of %.1f ms (p99 %.1f) at a target of %.1f ms", name, p50, p99, target)
				}
				if up60 > 800*time.Millisecond || up95 > 800*time.Millisecond {
					t.Errorf("%s: below the spare after %v and %v", name, up60, up95)
				}
				if down > 2200*time.Millisecond || burst > 2200*time.Millisecond {
					t.Errorf("%s: 90%% of the spare after %v and %v", name, down, burst)
				}
				if fair < .9 && n < 16 && rtt < 100*ms || fair < .65 {
					t.Errorf("%s: Jain's index is %.3f", name, fair)
				}
				for i, u := range use {
					if u < .8 || u > 1.1 {
						t.Errorf("%s: phase %d uses %.2f of the spare", name, i, u)
					}
				}
			}
		}
	}
}

// A guard that begins while the queue is full takes that for the way's length. It
// stays low as long as data is lost, and when the queue drains it learns better.
func TestGuardBeginsDuringAFullQueue(t *testing.T) {
	b := newBottleneck(100*mbit, 2, time.Millisecond, true)
	b.background = background{{0, 1.2}, {15 * sec, .5}}.at
	b.flows[0].start, b.flows[1].start = sec, 3*sec
	b.run(30 * sec)
	t.Logf("during it %.3f of the capacity, afterwards %.2f with a queue of %.1f ms (p99 %.1f), 90%% after %v, fair %.3f", b.all(5*sec, 15*sec), b.all(20*sec, 30*sec),
		quantile(b.delays(20*sec, 30*sec), .5), quantile(b.delays(20*sec, 30*sec), .99), b.uses(15*sec, .45), jain(b, 20*sec, 30*sec))
	if u := b.all(5*sec, 15*sec); u > .04 {
		t.Errorf("while the link is full they use %.3f", u)
	}
	if u := b.all(18*sec, 30*sec); u < .45 || b.uses(15*sec, .45) > 3*sec {
		t.Errorf("afterwards %.2f, after %v", u, b.uses(15*sec, .45))
	}
	if q := quantile(b.delays(20*sec, 30*sec), .99); q > 10 {
		t.Errorf("a queue of %.1f ms", q)
	}
}

// Nobody but the guard keeps a queue that it took for the way's length: it lowers
// its rate now and then, and learns better within 20 s.
func TestGuardDrainsAQueueOfItsOwn(t *testing.T) {
	b := newBottleneck(100*mbit, 1, time.Millisecond, true)
	b.background = background{{0, 1.05}, {2 * sec, .9}}.at // which leaves a queue that drains slowly
	b.flows[0].start = 1500 * time.Millisecond
	b.run(30 * sec)
	if q := quantile(b.delays(20*sec, 30*sec), .99); q > 5 {
		t.Errorf("a queue of %.1f ms", q)
	}
	if base, _ := b.flows[0].guard.base.least(); base > 3*time.Millisecond {
		t.Errorf("the base is taken to be %v", base)
	}
}

// A way that becomes longer looks like a queue. The guard stays at its floor until
// it has forgotten the shorter way, 40 s, and then is as fast as before.
func TestGuardLearnsALongerWay(t *testing.T) {
	b := newBottleneck(100*mbit, 1, time.Millisecond, true)
	b.flows[0].base = func(at time.Duration) time.Duration {
		if at < 10*sec {
			return 5 * time.Millisecond
		}
		return 25 * time.Millisecond
	}
	b.run(60 * sec)
	took := b.uses(10*sec+500*time.Millisecond, .9)
	t.Logf("after %v it uses 90%% again; meanwhile %.3f", took, b.all(12*sec, 35*sec))
	if took > 45*sec {
		t.Errorf("after %v it uses 90%% again", took)
	}
	if u := b.all(12*sec, 35*sec); u < .019 {
		t.Errorf("meanwhile it uses %.3f, less than the floor", u)
	}
	if q := quantile(b.delays(55*sec, 60*sec), .99); q > 10 {
		t.Errorf("a queue of %.1f ms", q)
	}
}

// A guard that knows no link keeps the queue short as well.
func TestGuardOnAnUnknownLink(t *testing.T) {
	for _, capacity := range []unit.Rate{10 * mbit, 1000 * mbit, 10000 * mbit} {
		b := newBottleneck(capacity, 2, time.Millisecond, false)
		b.run(30 * sec)
		use, q, fair := b.all(10*sec, 30*sec), quantile(b.delays(10*sec, 30*sec), .99), jain(b, 20*sec, 30*sec)
		t.Logf("%d Mbit: use %.2f, queue p99 %.1f ms, fair %.3f", capacity/mbit, use, q, fair)
		if use < .9 || q > 15 || fair < .65 { // without a known link the steps are small
			t.Errorf("%d Mbit: use %.2f, a queue of %.1f ms (p99), Jain's index %.3f", capacity/mbit, use, q, fair)
		}
	}
}

// Whatever the kernel says, the rate stays between floor and ceiling.
func TestGuardStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rates := rapid.OneOf(rapid.Int64Range(0, 1<<32), rapid.Just(int64(unit.Unlimited)))
		config := func() GuardConfig {
			return GuardConfig{
				Floor: unit.Rate(rapid.Int64Range(-1, 1<<30).Draw(t, "floor")), Ceiling: unit.Rate(rates.Draw(t, "ceiling")),
				Link: unit.Rate(rates.Draw(t, "link")), Connections: rapid.IntRange(-1, 100).Draw(t, "connections"),
				Shared: rapid.Bool().Draw(t, "shared"), Budget: unit.Rate(rates.Draw(t, "budget")), Target: time.Duration(rapid.Int64Range(-1, int64(sec)).Draw(t, "target")),
			}
		}
		c := config()
		g := NewGuard(c)
		any64 := rapid.OneOf(rapid.Int64Range(0, int64(sec)), rapid.Int64())
		s := Sample{}
		for range rapid.IntRange(0, 100).Draw(t, "samples") {
			if rapid.IntRange(0, 20).Draw(t, "configured") == 0 {
				c = config()
				g.Configure(c)
			}
			s.At += unit.Time(rapid.Int64Range(-1, int64(sec)).Draw(t, "wait"))
			s.RTT, s.MinRTT = time.Duration(any64.Draw(t, "rtt")), time.Duration(any64.Draw(t, "least"))
			s.Delivery = unit.Rate(any64.Draw(t, "delivery"))
			s.Acked += unit.Bytes(rapid.Int64Range(-1, 1<<40).Draw(t, "acked"))
			s.Retransmitted += unit.Bytes(rapid.Int64Range(-1, 1<<20).Draw(t, "again"))
			r := g.Sample(s)
			high := c.Ceiling
			if c.Link > 0 {
				high = min(high, c.Link)
			}
			low := max(c.Floor/unit.Rate(max(c.Connections, 1)), leastRate)
			if c.Ceiling < unit.Unlimited {
				low = ceilingFloor.of(c.Ceiling)
				if !c.Shared {
					low = min(low, FloorOf(c.Link))
				}
				low = max(low, leastRate)
			}
			low = min(low, high-high/10-1)
			if r < low || r > high || r != g.Rate() {
				t.Fatalf("%d after %+v, of %+v", r, s, c)
			}
		}
	})
}

// samples are of a connection that moves as much as it may, at a rtt that each
// tells, one each 50 ms.
func samples(g *Guard, from Sample, rtts ...time.Duration) Sample {
	for _, rtt := range rtts {
		from.At = from.At.Add(round)
		from.RTT = rtt
		from.Acked += g.Rate().In(round)
		g.Sample(from)
	}
	return from
}

const ms = time.Millisecond

// One sample above the target does not lower the rate by much, two do; and only
// after a round trip another two.
func TestGuardNeedsTwoSamples(t *testing.T) {
	g := NewGuard(GuardConfig{Floor: 1e6, Ceiling: unit.Unlimited})
	s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 20)...)
	before := g.Rate()
	if before < 20e6 || g.Held() {
		t.Fatalf("without delay it ramps to %d only", before)
	}
	if s = samples(g, s, 13*ms); g.Rate() != before || g.Delay() != 3*ms {
		t.Errorf("one sample: from %d to %d", before, g.Rate())
	}
	if s = samples(g, s, 13*ms); float64(g.Rate()) > .86*float64(before) || !g.Held() {
		t.Errorf("two samples: from %d to %d", before, g.Rate())
	}
	s = samples(g, s, 10*ms)
	after := g.Rate()
	s = samples(g, s, 40*ms, 10*ms, 40*ms, 10*ms)
	if float64(g.Rate()) < .9*float64(after) {
		t.Errorf("single ones: from %d to %d", after, g.Rate())
	}
	samples(g, s, slices.Repeat([]time.Duration{300 * ms}, 40)...)
	if g.Rate() != 1e6 {
		t.Errorf("a full queue leaves %d", g.Rate())
	}
}

// Who does not use its rate gets no higher one. Who had nothing to move for a second
// begins anew, but not who waits for acknowledgements for so long.
func TestGuardOfALittleUsedConnection(t *testing.T) {
	const begin = 4e6
	g := NewGuard(GuardConfig{Floor: 1e6, Ceiling: unit.Unlimited, Start: begin})
	if g.Rate() != begin {
		t.Fatalf("it begins with %d", g.Rate())
	}
	s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 20)...)
	before := g.Rate()
	s.Waiting = true
	for range 60 {
		s.At = s.At.Add(round)
		s.Acked += 1000
		g.Sample(s)
	}
	for range 60 {
		s.At = s.At.Add(round)
		g.Sample(s)
	}
	if g.Rate() != before {
		t.Errorf("little used: from %d to %d", before, g.Rate())
	}
	s.Waiting = false
	for range 21 {
		s.At = s.At.Add(round)
		g.Sample(s)
	}
	if r := g.Rate(); r != begin {
		t.Errorf("idle for a second: from %d to %d", before, r)
	}
}

// Senders behind different uplinks know nothing of each other, and may send more
// together than the way into a third location carries. What they are asked for is four
// fifths of it on the mean, with pauses after which more is waited for.
func TestGuardsOfSendersThatMeet(t *testing.T) {
	const capacity, n = 20 * mbit, 4
	b := newBottleneck(capacity, 0, time.Millisecond, true)
	for i := range uint64(n) {
		random := unit.NewRand(i)
		mean, pause := .8*float64(capacity)/n, time.Duration(0)
		sum, last := 0., time.Duration(0)
		b.flows = append(b.flows, &flow{
			guard: NewGuard(GuardConfig{Floor: FloorOf(capacity), Connections: 2, Ceiling: capacity * 2 / 5, Start: capacity * 2 / 5, Link: capacity}),
			base:  constantly(time.Millisecond), noise: unit.NewRand(i + 10),
			asked: func(at time.Duration) float64 {
				if at >= last+time.Second { // then it was told of nothing for up to 0.3 s
					last, pause = at, random.Jitter(300*time.Millisecond)
				}
				if at >= last+pause {
					sum = mean * at.Seconds()
				}
				return sum
			},
		})
	}
	b.run(30 * sec)
	use, p99 := b.all(5*sec, 30*sec), quantile(b.delays(5*sec, 30*sec), .99)
	t.Logf("use %.2f, queue p99 %.1f ms, at most %.1f", use, p99, quantile(b.delays(5*sec, 30*sec), 1))
	if most := (10 * frame).Over(capacity); use < .78 || p99 > most.Seconds()*1e3 {
		t.Errorf("they use %.2f of the link, with a queue of %.1f ms", use, p99)
	}
}

// A connection in a full queue is left with a part of its ceiling, or with the floor where
// there is none. Where others may have the same ceiling it is the link's floor at most.
func TestGuardKeepsAPartOfItsCeilingInAFullQueue(t *testing.T) {
	for _, test := range []struct {
		ceiling unit.Rate
		shared  bool
		link    unit.Rate
		want    unit.Rate
	}{
		{unit.Unlimited, true, 0, 1e5},
		{10e6, true, 10e6, 4e5},
		{1e4, true, 0, leastRate},
		{1000, true, 0, 1000},
		{10e6, false, 10e6, 2e5},
		{100e6, false, 0, FloorOf(0)},
		{2e6, false, 10e6, 8e4},
	} {
		g := NewGuard(GuardConfig{Floor: 1e6, Connections: 10, Ceiling: test.ceiling, Shared: test.shared, Link: test.link, Start: min(test.ceiling, 1e7)})
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 20)...)
		samples(g, s, slices.Repeat([]time.Duration{300 * ms}, 100)...)
		if g.Rate() != test.want || g.Floor() != test.want {
			t.Errorf("%+v: a full queue leaves %d of a floor of %d", test, g.Rate(), g.Floor())
		}
	}
}

// What a measurement says that there is now is taken in a moment, also by one that yields;
// not what changes as others join or leave, whatever that does to ceilings.
func TestGuardTakesRoomThatWasMeasuredAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		budget      [2]unit.Rate
		ceiling     unit.Rate
		connections int
		takes       bool
	}{
		"measured":                               {[2]unit.Rate{8e6, 32e6}, 8e6, 4, true},
		"measured after nothing was":             {[2]unit.Rate{0, 32e6}, 8e6, 4, true},
		"measured, and less than a quarter more": {[2]unit.Rate{8e6, 9.9e6}, 8e6, 4, false},
		"others leave":                           {[2]unit.Rate{8e6, 8e6}, 8e6, 1, false},
		"somebody joins":                         {[2]unit.Rate{8e6, 8e6}, 3e6, 8, false},
		"one more has no ceiling":                {[2]unit.Rate{unit.Unlimited, unit.Unlimited}, unit.Unlimited, 8, false},
		"the link has no limit any more":         {[2]unit.Rate{8e6, unit.Unlimited}, 8e6, 4, false},
	} {
		c := GuardConfig{Floor: 1e5, Connections: 4, Ceiling: 2e6, Shared: true, Start: 2e6, Budget: test.budget[0]}
		g := NewGuard(c)
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 5)...)
		s = samples(g, s, slices.Repeat([]time.Duration{40 * ms}, 10)...)
		s = samples(g, s, 10*ms)
		held := g.Rate()
		c.Ceiling, c.Connections, c.Budget = test.ceiling, test.connections, test.budget[1]
		g.Configure(c)
		samples(g, s, slices.Repeat([]time.Duration{10 * ms}, 16)...)
		if r := g.Rate(); r > 2*max(held, g.Floor()) != test.takes {
			t.Errorf("%s: after %v it has %d of %d, before %d", name, 16*round, r, c.Ceiling, held)
		}
	}
}

func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		config GuardConfig
		rtt    time.Duration
		want   time.Duration
	}{
		{GuardConfig{}, 0, 2 * ms},
		{GuardConfig{}, 50 * ms, 2 * ms},
		{GuardConfig{}, 100 * time.Microsecond, 1200 * time.Microsecond},
		{GuardConfig{Target: 8 * ms}, 50 * ms, 8 * ms},
		{GuardConfig{Target: 100 * time.Microsecond}, 50 * ms, 100 * time.Microsecond},
		{GuardConfig{Link: 1514 * 400}, 50 * ms, 10 * ms},
		{GuardConfig{Link: unit.Unlimited}, 50 * ms, 2 * ms},
	} {
		g := NewGuard(tt.config)
		g.Sample(Sample{At: 1, RTT: tt.rtt})
		if got := g.Target(); got != tt.want {
			t.Errorf("%+v with a base of %v: %v, want %v", tt.config, tt.rtt, got, tt.want)
		}
	}
}

// The kernel's least round-trip time counts when it is news, and is forgotten
// with the others.
func TestBaseDelay(t *testing.T) {
	var b baseDelay
	if _, ok := b.least(); ok {
		t.Error("a base of nothing")
	}
	for _, step := range []struct {
		at, rtt, kernel, want time.Duration
	}{
		{0, 9 * ms, 4 * ms, 4 * ms},
		{15 * sec, 8 * ms, 4 * ms, 4 * ms},
		{39 * sec, 8 * ms, 4 * ms, 4 * ms},
		{40 * sec, 9 * ms, 4 * ms, 8 * ms},
		{41 * sec, 9 * ms, 3 * ms, 3 * ms},
		{500 * sec, 7 * ms, 3 * ms, 7 * ms},
	} {
		b.observe(Sample{At: unit.Time(step.at), RTT: step.rtt, MinRTT: step.kernel})
		if got, _ := b.least(); got != step.want {
			t.Errorf("at %v the base is %v, want %v", step.at, got, step.want)
		}
	}
}

// Every ten seconds the rate is halved for a moment, and then what it was.
func TestGuardSlowsDownNowAndThen(t *testing.T) {
	g := NewGuard(GuardConfig{Floor: 1e6, Ceiling: 50e6})
	s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 150)...)
	slow := 0
	for range 400 {
		if s = samples(g, s, 10*ms); g.Rate() == 25e6 {
			slow++
		}
	}
	if n := int(2 * slowFor / round); slow < n-2 || slow > n+2 || g.Rate() != 50e6 {
		t.Errorf("%d of 400 samples at half the rate, then %d", slow, g.Rate())
	}
}

// A queue that grows fast gets no more from the first sample on than leaves it.
func TestGuardStopsAddingToAQueue(t *testing.T) {
	g := NewGuard(GuardConfig{Floor: 1e6, Ceiling: unit.Unlimited})
	s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 20)...)
	delivered := g.Rate() * 2 / 3
	s.At, s.RTT, s.Acked = s.At.Add(round), 30*ms, s.Acked+delivered.In(round)
	if r := g.Sample(s); r > delivered || r < delivered*99/100 {
		t.Errorf("%d, of which %d arrive", r, delivered)
	}
}

// A long queue on a link whose budget is known says that others came, and how much they
// need is not known until it is measured: so long the rate stays low, though the queue
// is gone. Without a budget it only sinks until the queue is gone.
func TestGuardYieldsUntilOthersAreMeasured(t *testing.T) {
	for _, test := range []struct {
		ceiling unit.Rate
		yields  bool
	}{{10e6, true}, {unit.Unlimited, false}} {
		g := NewGuard(GuardConfig{Floor: 1e5, Ceiling: test.ceiling, Start: 10e6})
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 5)...)
		s = samples(g, s, 25*ms, 25*ms, 25*ms, 25*ms)
		after := g.Rate()
		s = samples(g, s, slices.Repeat([]time.Duration{10 * ms}, int(yieldFor/round)-2)...)
		if g.Rate() > after != !test.yields {
			t.Errorf("with a ceiling of %d: from %d to %d", test.ceiling, after, g.Rate())
		}
		samples(g, s, slices.Repeat([]time.Duration{10 * ms}, int(2*sec/round))...)
		if g.Rate() < 9e6 {
			t.Errorf("with a ceiling of %d it uses %d afterwards", test.ceiling, g.Rate())
		}
	}
}

// A segment lost here and there, also in two samples after each other, is no sign of a full
// queue; what is lost in each round is.
func TestGuardJudgesLossByRounds(t *testing.T) {
	const segment, rate = 1448, 5e6
	for name, test := range map[string]struct {
		every, lost int // samples, of which that many after each other lose a segment
		cuts        bool
	}{
		"none":              {1, 0, false},
		"one in a thousand": {28, 2, false},
		"two in a hundred":  {1, 1, true},
	} {
		g := NewGuard(GuardConfig{Floor: 1e5, Ceiling: rate, Start: rate, Shared: true})
		s, least := Sample{}, g.Rate()
		for i := range 400 {
			s.At, s.RTT = s.At.Add(sampleEvery), ms
			s.Acked += g.Rate().In(sampleEvery)
			if i%test.every < test.lost {
				s.Retransmitted += segment
			}
			least = min(least, g.Sample(s))
		}
		if least < rate != test.cuts {
			t.Errorf("%s: it falls to %d", name, least)
		}
	}
}

// Two samples that are far apart tell of no long queue.
func TestGuardYieldsToWhatManySamplesShow(t *testing.T) {
	for every, yields := range map[time.Duration]bool{50 * ms: true, 160 * ms: false} {
		g := NewGuard(GuardConfig{Floor: 1e5, Ceiling: 10e6, Start: 10e6, Shared: true})
		s := samples(g, Sample{}, slices.Repeat([]time.Duration{10 * ms}, 5)...)
		for elapsed := time.Duration(0); elapsed < 210*ms; elapsed += every {
			s.At, s.RTT = s.At.Add(every), 25*ms
			s.Acked += g.Rate().In(every)
			g.Sample(s)
		}
		if g.yieldsTo > s.At != yields {
			t.Errorf("with a sample each %v: it yields until %v, at %v", every, g.yieldsTo, s.At)
		}
	}
}
