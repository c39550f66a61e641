package sim

import (
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Of TCP.
const (
	// A kernel takes beyond what it has sent what it sends in unsentTime, from
	// leastUnsent to lowat (transport.backlog).
	unsentTime  = 20 * time.Millisecond
	leastUnsent = 8 * segment
	lowat       = 128 << 10
	// firstWindow and window are what TCP has under way at first and at most.
	firstWindow = 10 * segment
	window      = 3 << 20
	// slowStart is the round trip from which on the time counts in which a
	// window opens; idleRestart is when it closes again.
	slowStart   = 5 * time.Millisecond
	idleRestart = 200 * time.Millisecond
	// firstTimeout is of a retransmission; it doubles.
	firstTimeout = 200 * time.Millisecond
)

// flow is what shares links with others: a stream of a connection, or, without
// one, traffic that always has something to send.
type flow struct {
	stream     *stream
	path, back []*link
	ceiling    float64       // that loss and the window set, or what is asked for
	rtt        time.Duration // without queues
	active     bool
	at         []int // its place among the flows of each link of the path
	rate       float64
	start      unit.Time // of its activity
	stop       unit.Time // of the one before
	open       bool      // the window was open when it began
	stalled    unit.Time // until when TCP waits to try again
	carried    float64

	// Of the computation of shares.
	most    float64
	settled bool
}

// newFlow is one over links, with what comes back over others.
func newFlow(path, back []*link, ceiling float64) *flow {
	f := &flow{}
	f.reroute(path, back, ceiling)
	return f
}

// reroute changes the path of a flow that is not active.
func (f *flow) reroute(path, back []*link, ceiling float64) {
	pass := 1.
	f.rtt = 2 * turn
	for _, l := range path {
		f.rtt += hop + l.delay
		pass *= 1 - l.loss
	}
	for _, l := range back {
		f.rtt += hop + l.delay
	}
	f.path, f.back = path, back
	f.ceiling = min(ceiling, tcpCeiling(1-pass, f.rtt))
}

// tcpCeiling is what TCP carries when packets are lost at random: by Reno (Mathis
// et al.) or by cubic (RFC 8312), whichever is more, and at most its window.
func tcpCeiling(loss float64, rtt time.Duration) float64 {
	t := rtt.Seconds()
	most := min(window/t, hostRate)
	if loss > 0 {
		reno, cubic := 1.22/math.Sqrt(loss), 1.054*math.Pow(t/loss, 0.75)
		most = min(most, max(reno, cubic)*segment/t)
	}
	return most
}

// limit is what a flow can take now.
func (f *flow) limit(now unit.Time) float64 {
	switch {
	case now < f.stalled:
		return 0
	case f.opening(now):
		doubled := math.Exp2(now.Sub(f.start).Seconds() / f.rtt.Seconds())
		return min(f.ceiling, firstWindow/f.rtt.Seconds()*doubled)
	}
	return f.ceiling
}

// opening reports whether the flow is in slow start.
func (f *flow) opening(now unit.Time) bool {
	return f.stream != nil && !f.open && f.rtt >= slowStart && now.Sub(f.start) < 12*f.rtt
}

// busy reports whether the flow has something to send.
func (f *flow) busy() bool { return f.stream == nil || len(f.stream.kernel) > 0 }

// leave takes the flow out of its links.
func (f *flow) leave() {
	for i, l := range f.path {
		last := l.flows[len(l.flows)-1]
		at := f.at[i]
		l.flows[at] = last
		l.flows = l.flows[:len(l.flows)-1]
		last.moved(l, at)
		l.used -= f.rate
	}
}

// moved says where the flow is among those of a link.
func (f *flow) moved(l *link, at int) {
	for i, on := range f.path {
		if on == l {
			f.at[i] = at
		}
	}
}

// send sends from one time to another.
func (f *flow) send(from, to unit.Time) {
	if f.rate <= 0 {
		return
	}
	if f.stream != nil {
		f.stream.drain(from, to)
		return
	}
	f.carry(f.rate * to.Sub(from).Seconds())
}

// carry counts bytes that were sent.
func (f *flow) carry(bytes float64) {
	f.carried += bytes
	for _, l := range f.path {
		l.carried += bytes
	}
}
