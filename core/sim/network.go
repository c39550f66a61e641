package sim

import (
	"math"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// The model's constants. Rates are bytes of payload per second.
const (
	// step is the grain of time in which shares change. Where no stream begins or ends
	// they do so when a full link has shareDrift of its capacity more or less for them,
	// as small messages do not stay as many.
	step       = time.Millisecond
	shareDrift = 0.01
	// hop is what a link takes without a queue; turn what either end takes for a
	// message: the loop, TLS, the kernel.
	hop  = 20 * time.Microsecond
	turn = 60 * time.Microsecond
	// queueTime is what a full queue of a link holds beside the bytes that the
	// shaper lets through at once after a pause: queueBurst, or what passes in
	// burstTime if that is more. queueFill is the share of it that cubic keeps
	// filled: it falls to 0.7 after a loss and rises soon.
	queueTime  = 50 * time.Millisecond
	queueBurst = 32 << 10
	burstTime  = 2 * time.Millisecond
	queueFill  = 0.9
	// queueRise is the time in which an empty queue fills by 63%.
	queueRise = 100 * time.Millisecond
	// ackShare is what acknowledgements take of the way back: 66 bytes on the
	// wire for every two segments, as payload.
	ackShare = 66. / 2896 * topo.Goodput
	// leastShare is left to those who yield, whatever the others take.
	leastShare = 0.02
	// hostRate is what a stream carries without any limited link.
	hostRate = 1.25e9
	segment  = 1448
)

// network is links and what flows over them.
type network struct {
	clock   *clock
	root    *place
	links   []*link
	active  []*flow // that have something to send
	dirty   bool    // shares are to be computed
	running bool    // ticks are set
	between []func()
	end     unit.Time
	heap    linkHeap
}

// place is a location or a host in the tree.
type place struct {
	parent   *place // nil for the root
	depth    int
	up, down *link // to and from the parent; nil for the root
}

// link is one direction of a link.
type link struct {
	capacity float64 // payload bytes per second, +Inf if there is no limit
	delay    time.Duration
	loss     float64
	cut      bool    // nothing passes
	taken    float64 // by traffic that does not yield
	acks     float64 // of what flows the other way
	small    float64 // by messages on streams that send nothing else, a mean
	burst    float64 // bytes of these in this step
	queue    time.Duration
	used     float64 // by flows
	flows    []*flow // active ones that cross it
	carried  float64 // payload bytes of flows so far
	beside   float64 // and of small messages
	full     bool    // it is what keeps a flow from more

	// Of the computation of shares.
	left, key float64
	count     int
}

func newNetwork(c *clock) *network {
	return &network{clock: c, root: &place{}}
}

// place makes a place below another.
func (n *network) place(parent *place, l topo.Link, delay time.Duration, loss float64) *place {
	p := &place{parent: parent, depth: parent.depth + 1, up: &link{delay: delay, loss: loss}, down: &link{delay: delay, loss: loss}}
	n.links = append(n.links, p.up, p.down)
	n.set(p, l)
	return p
}

// set changes the capacities of a place's link.
func (n *network) set(p *place, l topo.Link) {
	p.up.capacity, p.down.capacity = payload(l.Up), payload(l.Down)
	n.dirty = true
}

// payload is what a capacity on the wire carries.
func payload(r unit.Rate) float64 {
	if r == unit.Unlimited {
		return math.Inf(1)
	}
	return float64(r) * topo.Goodput
}

// route is the links from one place to another.
func route(a, b *place) []*link {
	var up, down []*link
	for a != b {
		if a.depth >= b.depth {
			up = append(up, a.up)
			a = a.parent
		} else {
			down = append(down, b.down)
			b = b.parent
		}
	}
	slices.Reverse(down)
	return append(up, down...)
}

// oneWay is how long something small takes over links now.
func oneWay(path []*link) time.Duration {
	d := turn
	for _, l := range path {
		d += hop + l.delay + l.queue
	}
	return d
}

// blocked reports whether nothing passes.
func blocked(path []*link) bool {
	return slices.ContainsFunc(path, func(l *link) bool { return l.cut })
}

// free is what flows can have together.
func (l *link) free() float64 {
	if l.cut {
		return 0
	}
	return max(l.capacity-l.taken-l.acks-l.small, l.capacity*leastShare)
}

// longest is the queue that cubic keeps on the link when it is full.
func (l *link) longest() time.Duration {
	full := queueTime.Seconds() + max(queueBurst/l.capacity, burstTime.Seconds())
	return time.Duration(queueFill * full * float64(time.Second))
}

// note counts a small message that crosses links beside the flows.
func note(path []*link, size float64) {
	for _, l := range path {
		l.burst += size
		l.beside += size
	}
}

// begin has a flow take part. Until the next step it gets what is free.
func (n *network) begin(f *flow) {
	if f.active {
		return
	}
	if !n.running {
		n.rest()
	}
	n.add(f)
	f.start = n.clock.now
	if !n.running {
		n.running = true
		n.tick()
		return
	}
	f.send(n.clock.now, n.end)
}

// add makes a flow active, with what its links have free.
func (n *network) add(f *flow) {
	f.active, n.dirty = true, true
	n.active = append(n.active, f)
	f.rate = f.limit(n.clock.now)
	f.at = f.at[:0]
	for _, l := range f.path {
		f.at = append(f.at, len(l.flows))
		l.flows = append(l.flows, f)
		f.rate = max(min(f.rate, l.free()-l.used), 0)
	}
	for _, l := range f.path {
		l.used += f.rate
	}
}

// finish takes the i-th active flow out.
func (n *network) finish(i int) {
	f := n.active[i]
	n.active[i] = n.active[len(n.active)-1]
	n.active = n.active[:len(n.active)-1]
	f.leave()
	f.active, n.dirty = false, true
}

// atStep does something between two steps, as what is sent in one is settled when
// it begins.
func (n *network) atStep(do func()) {
	if !n.running {
		do()
		return
	}
	n.between = append(n.between, do)
}

// cancel takes a flow out.
func (n *network) cancel(f *flow) {
	n.atStep(func() { n.remove(f) })
}

// remove takes a flow out, and reports whether it was active.
func (n *network) remove(f *flow) bool {
	i := slices.Index(n.active, f)
	if i >= 0 {
		n.finish(i)
	}
	return i >= 0
}

// reroute changes the path of a flow.
func (n *network) reroute(f *flow, path, back []*link, ceiling float64) {
	n.atStep(func() {
		was := n.remove(f)
		f.reroute(path, back, ceiling)
		if was {
			n.add(f)
		}
	})
}

// tick computes what is sent in the next step.
func (n *network) tick() {
	now := n.clock.now
	for _, do := range n.between {
		do()
	}
	n.between = n.between[:0]
	for i := len(n.active) - 1; i >= 0; i-- {
		if !n.active[i].busy() {
			n.finish(i)
		}
	}
	if n.dirty || slices.ContainsFunc(n.active, func(f *flow) bool { return f.opening(now.Add(-step)) }) {
		n.share()
	}
	waiting := n.queues(step)
	n.end = now.Add(step)
	if len(n.active) == 0 && !waiting {
		n.running = false
		return
	}
	for _, f := range n.active {
		f.send(now, n.end)
	}
	n.clock.at(n.end, n.tick)
}

// rest lets the time since the last step pass, in which nothing was sent.
func (n *network) rest() {
	if idle := n.clock.now.Sub(n.end); idle > 0 {
		n.queues(idle)
	}
}

// queues lets queues grow where links are full and shrink where they are not, and
// reports whether any is left.
func (n *network) queues(d time.Duration) bool {
	waiting := false
	for _, l := range n.links {
		l.small += (l.burst/d.Seconds() - l.small) * min(d.Seconds()/queueRise.Seconds(), 1)
		l.burst = 0
		switch {
		case math.IsInf(l.capacity, 1) || l.capacity == 0:
		case l.full && len(l.flows) > 0:
			n.dirty = n.dirty || math.Abs(l.free()-l.used) > shareDrift*l.capacity
			l.queue += time.Duration(float64(l.longest()-l.queue) * min(d.Seconds()/queueRise.Seconds(), 1))
		case l.queue > 0:
			use := (l.used + l.taken + l.acks + l.small) / l.capacity
			l.queue = max(l.queue-time.Duration(float64(d)*max(1-use, 0.01)), 0)
		}
		waiting = waiting || l.queue > 0
	}
	return waiting
}
