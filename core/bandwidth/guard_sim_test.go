package bandwidth

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// bottleneck is a link with one queue in virtual time, as a fluid in steps of
// 0.2 ms: background that sends at a fixed rate whatever happens,
// and connections that send as fast as their guards allow. What does not fit into
// the queue is lost.
type bottleneck struct {
	capacity   float64 // bytes per second
	limit      time.Duration
	background func(at time.Duration) float64 // part of the capacity
	flows      []*flow

	now     time.Duration
	backlog float64   // bytes, of all
	others  float64   // bytes in it of the background
	history []float64 // the queueing delay in ms at each step

	lostOthers, sentOthers float64
}

type flow struct {
	guard   *Guard
	base    func(at time.Duration) time.Duration
	start   time.Duration
	noise   *unit.Rand
	asked   func(at time.Duration) float64 // sum of bytes that are to be sent; nil: always some
	sent    float64                        // of that
	taken   float64                        // in this step
	queued  float64
	acked   []float64 // sum that arrived at the end of each step
	lost    []float64
	rates   []float64 // paced in each step
	arrived float64
	gone    float64
	least   time.Duration
}

const (
	tick = 200 * time.Microsecond
	// sampleEvery is how often a guard is told of its connection, as the transport does.
	sampleEvery = 20 * time.Millisecond
)

func (b *bottleneck) run(until time.Duration) {
	for ; b.now < until; b.now += tick {
		b.step()
		if b.now%sampleEvery == 0 {
			for _, f := range b.flows {
				f.sample(b)
			}
		}
	}
}

func (b *bottleneck) step() {
	dt := tick.Seconds()
	room := b.limit.Seconds()*b.capacity + b.capacity*dt - b.backlog
	others := b.background(b.now) * b.capacity * dt
	in := others
	for _, f := range b.flows {
		f.take(b.now)
		in += f.taken
	}
	fits := 1.0
	if in > room {
		fits = room / in
	}
	b.others += others * fits
	b.sentOthers += others
	b.lostOthers += others * (1 - fits)
	b.backlog += in * fits
	out := min(b.capacity*dt, b.backlog)
	part := 0.0
	if b.backlog > 0 {
		part = out / b.backlog
	}
	for _, f := range b.flows {
		sent := f.taken
		f.queued += sent * fits
		f.gone += sent * (1 - fits)
		f.arrived += f.queued * part
		f.queued -= f.queued * part
		f.rates = append(f.rates, sent/dt)
		f.acked = append(f.acked, f.arrived)
		f.lost = append(f.lost, f.gone)
	}
	b.others -= b.others * part
	b.backlog -= out
	b.history = append(b.history, b.backlog/b.capacity*1e3)
}

// take notes what it sends in this step.
func (f *flow) take(now time.Duration) {
	f.taken = 0
	if now >= f.start {
		f.taken = float64(f.guard.Rate()) * tick.Seconds()
	}
	if f.asked != nil {
		f.taken = min(f.taken, max(f.asked(now)-f.sent, 0))
	}
	f.sent += f.taken
}

// sample tells the guard what it would have learned by now: the state of the
// queue half a round trip ago.
func (f *flow) sample(b *bottleneck) {
	base := f.base(b.now)
	seen := len(b.history) - 1 - int(base/2/tick)
	if b.now < f.start+base+tick || seen < 0 {
		return
	}
	rtt := base + time.Duration(b.history[seen]*1e6)
	if f.noise != nil {
		rtt += f.noise.Jitter(200 * time.Microsecond)
	}
	if f.least == 0 || rtt < f.least {
		f.least = rtt
	}
	f.guard.Sample(Sample{
		At: unit.Time(b.now), RTT: rtt, MinRTT: f.least,
		Acked: unit.Bytes(f.acked[seen]), Retransmitted: unit.Bytes(f.lost[seen]),
	})
}

// delays are the queueing delays in ms from one time to another, in order.
func (b *bottleneck) delays(from, to time.Duration) []float64 {
	return b.history[from/tick : min(int(to/tick), len(b.history))]
}

// used is the mean rate of a flow over a time, as a part of the capacity.
func (b *bottleneck) used(f *flow, from, to time.Duration) float64 {
	i, j := int(from/tick), min(int(to/tick), len(f.acked)-1)
	return (f.acked[j] - f.acked[i]) / (float64(j-i) * tick.Seconds()) / b.capacity
}

// all is the mean rate of all flows together, as a part of the capacity.
func (b *bottleneck) all(from, to time.Duration) (sum float64) {
	for _, f := range b.flows {
		sum += b.used(f, from, to)
	}
	return sum
}

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
