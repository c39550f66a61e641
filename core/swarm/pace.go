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
	// firstRequest and firstWindow hold until the peer's rate is known, and
	// firstRequest when its latency is measured. Those who may ask the peer at the same
	// time as we do let it owe them firstLoad together by then, if that is not too little
	// for any of them.
	firstRequest = 64 << 10
	firstWindow  = 512 << 10
	firstLoad    = 2 << 20
	leastFirst   = 64 << 10
	// A request takes the connection at most requestTime, so that what is slow
	// can be stolen in parts, and as control messages wait until a block is
	// sent. For the latter reason usualRequest is the most, too.
	requestTime  = 30 * time.Millisecond
	usualRequest = 512 << 10
	// The window is a few requests, at most what the peer sends in windowTime,
	// and at most maxWindow, as control shares the connection.
	minWindow  = 2 * Grain
	maxWindow  = 2 << 20
	windowTime = 500 * time.Millisecond
	// MostOwed is the most, in bytes, that a peer is asked for at a time: the
	// last request is made while the window is not full. Who lets less wait would
	// refuse, or cut off, its own kind.
	MostOwed = maxWindow + usualRequest
	// quietWindow is the window that needs no latency to justify it: what a
	// peer sends in quietTime, within quietWindow. Where our requests wait behind
	// what we send ourselves, answers take so long, and the latency measured in a
	// quiet moment is too low: the window has to let a fast peer stay fast.
	quietWindow = 1 << 20
	// givenWindow is that of an initial seeder: what it gives one it gives nobody
	// else, and what is under way to one who passes it on slowly is late for all.
	givenWindow = 768 << 10
	quietTime   = 200 * time.Millisecond
	// turnTime is added to the latency: the least that was seen is seen when
	// neither end's loop has anything else to do.
	turnTime = time.Millisecond
	// measureTime is how long a peer has owed something when its rate is taken.
	measureTime = 100 * time.Millisecond
	// latencyTTL is how long the latency that was measured is believed at most;
	// firstRecheck how long at first when all answers take much longer.
	latencyTTL   = 10 * time.Second
	firstRecheck = time.Second
)

// pace is how fast a peer answers, and what it is asked for therefore.
//
// The rate is what arrived per time in which the peer owed something. The
// latency is the least time from a request to its data. A request that waits
// behind others says how long the queue is, not how far the peer: only one that
// was made when the peer owed nothing measures the latency, any other merely
// bounds it from above. As a busy peer always owes something, it is asked for
// nothing more when the measurement is older than latencyTTL, until it owes
// nothing: that costs one latency every latencyTTL. It is done sooner if no answer
// takes less than three times as long any more: either there is a queue, or the way
// has become longer, such as that of our requests, when what we send fills our
// link. A window that is too small for that would let the peer send ever less, and
// be taken for its rate. If it was the queue, the next such measurement comes
// later.
//
// The time that the block itself takes is part of the measurement, so it is a short
// one. So is a wait for the sender's upload budget; windowTime bounds what comes of
// it.
type pace struct {
	rate     unit.Rate     // 0: not known
	latency  time.Duration // 0: not known
	measured unit.Time     // when the latency was
	quick    unit.Time     // when an answer came last that took no longer than it lets expect
	recheck  time.Duration // how long after quick the latency is doubted
	window   int           // bytes that may be owed
	largest  int           // bytes of a request that the peer answers
	quiet    unit.Bytes    // quietWindow, or that of an initial seeder

	// Of the measurement of the rate under way: until when it has come, how long
	// of that the peer owed something, and what arrived.
	until unit.Time
	busy  time.Duration
	bytes unit.Bytes
}

func newPace(maxRequest int32, initial bool) pace {
	quiet := unit.Bytes(quietWindow)
	if initial {
		quiet = givenWindow
	}
	largest := int(maxRequest)
	if largest == 0 {
		largest = defaultRequest
	}
	return pace{recheck: firstRecheck, window: firstWindow, quiet: quiet, largest: min(max(largest, Grain), MaxRequest)}
}

// request is how many bytes to ask for at a time, a multiple of Grain: little if
// that measures the latency, which alone does while it is stale.
func (p *pace) request(now unit.Time, alone bool) int {
	n := min(p.window/2, p.largest, usualRequest)
	if p.rate == 0 || alone && p.stale(now) {
		n = min(n, firstRequest)
	}
	if p.rate > 0 {
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

// stale reports whether the latency is to be measured again.
func (p *pace) stale(now unit.Time) bool { return p.latency > 0 && now >= p.staleSince() }

// staleSince is from when on it is.
func (p *pace) staleSince() unit.Time {
	return min(p.measured.Add(latencyTTL), p.quick.Add(p.recheck))
}

// slow reports whether the latency can hardly be what it was if answers take so long.
func (p *pace) slow(took time.Duration) bool { return took > 3*p.latency }

// received takes data into account that answers a request made at asked. alone
// says that nothing else was owed then.
func (p *pace) received(now, asked unit.Time, alone bool) {
	took := max(now.Sub(asked), 1)
	switch {
	case p.latency == 0 || took < p.latency:
	case alone && p.stale(now):
		p.recheck = min(2*p.recheck, latencyTTL)
		if p.slow(took) {
			p.recheck = firstRecheck
		}
	default:
		if !p.slow(took) {
			p.quick = now
		}
		return
	}
	p.latency, p.measured, p.quick = took, now, now
	p.resize()
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
	p.resize()
}

// resize sets the window to twice the product of rate and latency.
func (p *pace) resize() {
	if p.rate == 0 {
		return
	}
	product := 2 * p.rate.In(p.latency+turnTime)
	least := min(p.rate.In(quietTime), p.quiet)
	most := min(p.rate.In(windowTime), maxWindow)
	p.window = int(max(min(max(product, least), most), minWindow))
}
