package bandwidth

import (
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Guard keeps the queue short that a connection's data waits in on its way: it
// tells a pacing rate from samples of the round-trip time, about every 20 ms. It
// takes up ideas of LEDBAT (RFC 6817): the delay above the least one of the last
// 30 to 40 s is that of queues. Below the target the rate grows, the faster the
// longer there has been no delay; above it in two samples after each other it
// falls by a part. Far above it in one sample it falls as well, until the next one tells
// whether that was a queue or a late acknowledgement.
//
// Invariant: the rate lies between the connection's floor (see GuardConfig.Floor) and
// Ceiling, or is Ceiling if that is less.
//
// A Guard is owned by one goroutine; it reads no clock.
type Guard struct {
	config GuardConfig
	rate   unit.Rate
	base   baseDelay
	last   Sample
	begun  bool // there was a sample, and last is one

	judged       Sample    // the one from which what was lost is counted
	lossy        bool      // the round until then lost too much
	counted      Sample    // the one from which the rate of delivery is reckoned
	delivery     unit.Rate // that rate, of a round at least
	peakDelivery float64   // the highest one of late, which fades, bytes per second
	full         float64   // the rate at which the way was last full, bytes per second
	beyond       float64   // rounds since the rate grew beyond full
	ramping      bool      // no sign of delay yet
	signs        int       // samples after each other that tell of delay or loss
	firstSign    unit.Time // when the first of them was
	doubtful     unit.Rate // the rate before a decrease that one sample was enough for, 0 if there is none
	delay        time.Duration
	yields       float64 // the most that the rate may be until yieldsTo
	yieldsTo     unit.Time
	quietTo      unit.Time     // no decrease before it: the last one has still to show
	slow         unit.Time     // when the next slowdown begins
	resume       unit.Rate     // after a slowdown, 0 outside of one
	before       time.Duration // the base delay when a slowdown was looked at last
}

// NewGuard returns a guard that begins with Start.
func NewGuard(c GuardConfig) *Guard {
	g := &Guard{ramping: true}
	g.Configure(c)
	g.rate = g.bounded(float64(c.Start))
	return g
}

// Configure changes what the guard is made from, such as when a budget changes.
func (g *Guard) Configure(c GuardConfig) {
	c.Connections = max(c.Connections, 1)
	c.Floor = c.floor()
	if c.Target <= 0 {
		c.Target = defaultTarget
	}
	switch {
	case g.begun && g.signs == 0 && c.frees(g.config):
		g.ramping, g.yieldsTo = true, g.last.At // a measurement says that there is room
	case g.ramping && !g.begun:
		g.rate = max(g.rate, c.Start)
	}
	g.config = c
	g.rate = g.bounded(float64(g.rate))
}

// Rate is the pacing rate now, in bytes per second.
func (g *Guard) Rate() unit.Rate { return g.rate }

// Delay is the queueing delay that the last sample showed.
func (g *Guard) Delay() time.Duration { return g.delay }

// Floor is what the rate may fall to.
func (g *Guard) Floor() unit.Rate { return g.bounded(0) }

// Connections is how many connections share the floor, with this one.
func (g *Guard) Connections() int { return g.config.Connections }

// Held reports whether the guard keeps the rate down because of delay or loss.
func (g *Guard) Held() bool { return !g.ramping && g.rate < g.ceiling() }

// Target is the queueing delay that the guard aims at: at most what is configured
// and 1 ms more than twice the base delay, but at least 4 frames of the slowest
// link, as two go at once and two wait.
func (g *Guard) Target() time.Duration {
	t := g.config.Target
	if base, ok := g.base.least(); ok {
		t = min(t, leastTarget+2*base)
	}
	if g.config.Link > 0 {
		t = max(t, (targetFrames * frame).Over(g.config.Link))
	}
	return t
}

// Sample takes the next sample and returns the pacing rate from now on. A sample
// without a round-trip time, and one that is not later than the last one, change
// nothing.
func (g *Guard) Sample(s Sample) unit.Rate {
	if s.RTT <= 0 || g.begun && s.At <= g.last.At {
		return g.rate
	}
	last := g.last
	if !g.begun {
		g.last, g.begun, g.counted, g.judged = s, true, s, s
		g.slow = s.At.Add(slowEvery)
		g.base.observe(s)
		return g.rate
	}
	if s.Acked < last.Acked+payload/4 { // nothing of a block: it says when the peer had time
		if idle := s.At.Sub(last.At); idle >= guardIdle && !s.Waiting {
			g.rest(s.At)
		}
		return g.rate
	}
	g.last = s
	g.base.observe(s)
	base, _ := g.base.least()
	g.delay = max(s.RTT-base, 0)
	g.control(s, last)
	return g.rate
}

// rest forgets what was seen of the way before there was nothing to move.
func (g *Guard) rest(now unit.Time) {
	g.rate, g.resume = g.bounded(float64(g.config.Start)), 0
	g.signs, g.last.At, g.counted.At, g.yieldsTo = 0, now, now, now
	g.judged.At, g.lossy = now, false
	g.endDoubt()
}

// control changes the rate after what was seen between two samples.
func (g *Guard) control(s, last Sample) {
	over := s.At.Sub(last.At)
	delivered := g.delivered(s)
	judged := g.judge(s)
	target := g.Target()
	switch {
	case g.delay > target || judged && g.lossy:
	case g.lossy:
		return // the next round tells whether that goes on
	default:
		g.signs = 0
		g.undo(s.At)
		g.raise(s.At, target, over, delivered)
		return
	}
	g.signs++
	if g.signs == 1 {
		g.firstSign = s.At
		g.fills(delivered)
	}
	g.endSlowdown()
	if g.signs == 1 && g.delay > 2*target {
		g.rate = g.bounded(min(float64(g.rate), g.peakDelivery)) // so that the queue does not grow by us until the next one
	}
	g.endDoubt()
	if (g.signs >= 2 || g.fillsFast()) && s.At >= g.quietTo {
		g.decrease(s)
	}
}

// judge notes at the end of a round whether it lost too much, and reports whether that
// is now. A single segment is more than lossPart of what one sample tells of.
func (g *Guard) judge(s Sample) bool {
	if s.At.Sub(g.judged.At) < max(round, s.RTT) {
		return false
	}
	lost, acked := s.Retransmitted-g.judged.Retransmitted, s.Acked-g.judged.Acked
	g.judged, g.lossy = s, float64(max(lost, 0)) > lossPart*float64(acked)
	return true
}

// delivered is the rate at which data arrives, of the last round: what is acknowledged
// comes in groups.
func (g *Guard) delivered(s Sample) unit.Rate {
	over := s.At.Sub(g.counted.At)
	if over < round && g.delivery > 0 {
		return max(g.delivery, s.Delivery)
	}
	g.delivery = (s.Acked - g.counted.Acked).Per(over)
	g.counted = s
	delivered := max(g.delivery, s.Delivery)
	g.peakDelivery = max(float64(delivered), math.Pow(forgets, over.Seconds()/round.Seconds())*g.peakDelivery)
	return delivered
}

// fillsFast reports whether the queue may overflow before there is another sample.
func (g *Guard) fillsFast() bool { return g.delay > fastQueue*g.Target() }

// decrease lowers the rate below what is delivered, and waits for that to show: by
// little at first, as one more acknowledgement may have been late, and then, or where the
// queue fills fast, by the more the longer the queue is.
func (g *Guard) decrease(s Sample) {
	if g.signs == 1 {
		g.doubtful = g.rate
	}
	cut := leastCut
	if g.signs > 2 || g.fillsFast() {
		cut = min(max(g.delay.Seconds()/drainFor.Seconds(), leastCut), mostCut)
	}
	g.rate = g.bounded(min(float64(g.rate), g.peakDelivery) * (1 - cut))
	if s.At.Sub(g.firstSign) >= longTime && g.signs >= longSamples && g.delay > longQueue*g.Target() && g.config.Ceiling < unit.Unlimited {
		g.yield(s.At)
	}
	g.quietTo = s.At.Add(max(s.RTT, round))
	if cut >= 0.5 && g.doubtful == 0 {
		g.slow = s.At.Add(slowEvery) // it shows the base as well
	}
}

// undo takes back a decrease after one sample if the next one tells of no queue: a long
// queue does not drain between two samples, so an acknowledgement was late.
func (g *Guard) undo(now unit.Time) {
	if g.doubtful == 0 || now.Sub(g.firstSign) > round {
		return
	}
	g.rate = g.bounded(max(float64(g.rate), float64(g.doubtful)))
	g.quietTo = now
	g.endDoubt()
}

func (g *Guard) endDoubt() { g.doubtful = 0 }

// yield makes room for who came.
func (g *Guard) yield(now unit.Time) {
	most := yieldTo * g.peakDelivery
	if now < g.yieldsTo {
		most = min(most, g.yields)
	}
	g.yields, g.yieldsTo = most, now.Add(yieldFor)
	g.rate = g.bounded(min(float64(g.rate), most))
}

// raise has the rate grow while the delay is below the target, unless the
// connection does not use the rate that it has.
func (g *Guard) raise(now unit.Time, target, over time.Duration, delivered unit.Rate) {
	if g.slowdown(now) {
		return
	}
	if delivered < g.rate/2 {
		return
	}
	rounds := min(over.Seconds()/max(round, g.last.RTT).Seconds(), mostRounds)
	if g.delay > target/2 {
		g.fills(delivered)
	}
	grow := rampGain*min(rounds, 1)*float64(g.rate) + g.step()*rounds
	if !g.ramping {
		grow = g.growth(rounds) * float64(target-g.delay) / float64(target)
	}
	most := float64(g.rate) + grow
	if now < g.yieldsTo {
		most = min(most, max(g.yields, float64(g.rate)))
	}
	g.rate = g.bounded(most)
}

// growth is by how much the rate grows after some rounds, or a part of one, without
// any delay. By part of itself it grows for one round at most, however long it took:
// who sends little sees little of the way.
func (g *Guard) growth(rounds float64) float64 {
	r := float64(g.rate)
	if r <= g.full {
		g.beyond = 0
		far := max(1-nearFull-r/g.full, 0)
		return g.step()*rounds + min(far/2, growGain)*min(rounds, 1)*r
	}
	g.beyond += rounds
	return min(g.step()*(1+g.beyond)*rounds, rampGain*r)
}

// slowdown halves the rate for a short time now and then, as long as a queue of our own
// drains, and reports whether that is so now.
func (g *Guard) slowdown(now unit.Time) bool {
	base, _ := g.base.least()
	switch {
	case g.resume == 0 && now >= g.slow:
		g.resume = g.rate
		g.rate = g.bounded(float64(g.rate) / 2)
		g.slow, g.before = now.Add(slowFor), base
		return true
	case g.resume > 0 && now >= g.slow && base < g.before*9/10:
		g.slow, g.before = now.Add(slowFor), base
	case g.resume > 0 && now >= g.slow:
		g.rate = g.bounded(float64(g.resume))
		g.endSlowdown()
		g.slow = now.Add(slowEvery)
	}
	return g.resume > 0
}

func (g *Guard) endSlowdown() { g.resume = 0 }

// fills notes that the way is full at a rate.
func (g *Guard) fills(r unit.Rate) {
	g.ramping, g.full, g.beyond = false, float64(max(min(r, g.rate), 1)), 0
}

// step is by how much the rate grows in a round near that rate.
func (g *Guard) step() float64 {
	step := max(floorStep*float64(g.config.Floor), linkStep*float64(g.config.Link)/float64(g.config.Connections))
	if ceiling := g.config.Ceiling; ceiling < unit.Unlimited {
		step = max(step, ceilingStep*float64(ceiling))
	}
	return step
}

// bounded is r within floor and ceiling.
func (g *Guard) bounded(r float64) unit.Rate {
	r = max(r, float64(g.config.Floor))
	if ceiling := g.ceiling(); r >= float64(ceiling) {
		return ceiling
	}
	return unit.Rate(r)
}

// ceiling is the least of Ceiling and what the slowest link carries.
func (g *Guard) ceiling() unit.Rate {
	if g.config.Link <= 0 || g.config.Link == unit.Unlimited {
		return g.config.Ceiling
	}
	return min(g.config.Ceiling, max((Part(payload)/Part(frame)).of(g.config.Link), 1))
}
