package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Sizes and times of requests.
const (
	// Grain is what requests are multiples of, except at the end of a span, and
	// where they begin: the block of BEP 3.
	Grain = 16 << 10
	// MaxRequest is the most that one request asks for, and defaultRequest what
	// a peer is taken to answer that does not say.
	MaxRequest     = 1 << 20
	defaultRequest = 128 << 10
	// firstRequest and firstWindow hold until the peer's rate is known. Those who may ask
	// the peer at the same time as we do let it owe them firstLoad together by then, if
	// that is not too little for any of them.
	firstRequest = 64 << 10
	firstWindow  = 512 << 10
	firstLoad    = 2 << 20
	leastFirst   = 64 << 10
	// A request takes the connection at most requestTime, so that what is slow
	// can be stolen in parts, and as control messages wait until a block is
	// sent. For the latter reason usualRequest is the most, too.
	requestTime  = 30 * time.Millisecond
	usualRequest = 512 << 10
	// The window is what the peer sends in windowTime, at most maxWindow as control
	// shares the connection.
	minWindow  = 2 * Grain
	maxWindow  = 2 << 20
	windowTime = 500 * time.Millisecond
	// MostOwed is the most, in bytes, that a peer is asked for at a time: the
	// last request is made while the window is not full. Who lets less wait would
	// refuse, or cut off, its own kind.
	MostOwed = maxWindow + usualRequest
	// measureTime is how long a peer has owed something when its rate is taken.
	measureTime = 100 * time.Millisecond
)

// pace is how fast a peer answers, and what it is asked for therefore.
//
// The rate is what arrived per time in which the peer owed something. The window
// is what it sends in windowTime, which is more than its link needs to be busy: our
// requests wait behind what we send on a full link of ours, and its answers behind
// what it sends to others. How long that takes changes from one moment to the next,
// and only an idle peer would tell, as any other request waits behind those before.
// A window that is too small for it would let the peer send ever less, and be taken
// for its rate. One that is too large costs little: what waits at the peer is before
// no control message, and can be stolen.
type pace struct {
	rate    unit.Rate     // 0: not known
	latency time.Duration // the least from a request to its data; 0: not known
	window  int           // bytes that may be owed
	largest int           // bytes of a request that the peer answers

	// Of the measurement of the rate under way: until when it has come, how long
	// of that the peer owed something, and what arrived.
	until unit.Time
	busy  time.Duration
	bytes unit.Bytes
}

func newPace(maxRequest int32) pace {
	largest := int(maxRequest)
	if largest == 0 {
		largest = defaultRequest
	}
	return pace{window: firstWindow, largest: min(max(largest, Grain), MaxRequest)}
}

// request is how many bytes to ask for at a time, a multiple of Grain.
func (p *pace) request() int {
	n := min(p.window/2, p.largest, usualRequest)
	if p.rate == 0 {
		n = min(n, firstRequest)
	} else {
		n = min(n, int(p.rate.In(requestTime)))
	}
	return max(n/Grain*Grain, Grain)
}

// share bounds the window while the rate is not known by how many ask the peer, we
// included. They begin at the same time, when they have joined, or when they hear that it
// has something; and what each of them asks for waits for its link, so that the first
// spans that it sends would come to anybody only when most have come to all.
func (p *pace) share(askers int) {
	if p.rate == 0 {
		p.window = min(max(firstLoad/askers, leastFirst), firstWindow)
	}
}

// ask says that a peer that owed nothing is asked for something.
func (p *pace) ask(now unit.Time) { p.until = now }

// answered says that data has arrived that was requested at a time.
func (p *pace) answered(now, asked unit.Time) {
	if took := max(now.Sub(asked), 1); p.latency == 0 || took < p.latency {
		p.latency = took
	}
}

// arrived counts n bytes of payload.
func (p *pace) arrived(now unit.Time, n unit.Bytes) {
	p.busy += now.Sub(p.until)
	p.until = now
	p.bytes += n
	if p.busy < measureTime {
		return
	}
	r := max(p.bytes.Per(p.busy), 1)
	if p.rate == 0 {
		p.rate = r
	}
	p.rate = (p.rate + r) / 2
	p.busy, p.bytes = 0, 0
	p.window = int(min(max(p.rate.In(windowTime), minWindow), maxWindow))
}
