package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// What the guard does, as figures.
const (
	defaultTarget = 2 * time.Millisecond
	leastTarget   = time.Millisecond
	// frame is a full Ethernet frame, of which payload is TCP's; the target is at
	// least targetFrames of them at the rate of the slowest link.
	frame, payload unit.Bytes = 1514, 1448
	targetFrames   unit.Bytes = 4
	// leastRate is that of any connection: two frames in a second and a half.
	leastRate unit.Rate = 2 << 10
	// round is the least time in which a change of the rate shows in a sample.
	round = 50 * time.Millisecond
	// drainFor is the time in which a decrease is to let the queue drain.
	drainFor = 50 * time.Millisecond
	// fastQueue is from how many times the target on one sample is enough. Beside others
	// who come with three quarters of a link a queue of 50 ms overflows within 100 ms.
	fastQueue = 4
	// leastCut and mostCut bound the part by which one decrease lowers the rate.
	leastCut, mostCut = 0.15, 0.7
	// rampGain is by what part the rate grows in a round until the first sign of
	// delay, and growGain after it at most.
	rampGain, growGain = 0.25, 0.125
	// mostRounds is for how many rounds without a sample the rate grows by steps.
	mostRounds = 20
	// nearFull is how near below the rate at which the way was last full, as a part
	// of it, the rate grows by equal steps only, which is what makes it fair: that
	// part of the floor or of the slowest link, whatever is more. Above that rate each
	// step is longer than the one before by as much.
	nearFull = 0.05
	// Where a ceiling is known steps are a part of that, too, so that a share of a link
	// is filled in 2 s however many have one.
	floorStep, linkStep, ceilingStep = 0.25, 0.005, 0.02
	// ceilingFloor is the part of a known ceiling that a connection is left with: with all
	// others' it has to fit into what a site leaves that takes nearly all.
	ceilingFloor Part = 0.04
	// wider is by what factor the budget of all has to rise for the rate to ramp up.
	wider = 1.25
	// forgets is what is left after a round of the highest rate of delivery: blocks come
	// with pauses between them.
	forgets = 0.8
	// lossPart is the part of a round's data sent again from which loss counts as delay.
	lossPart = 0.01
	// slowEvery and slowFor are how often, and for how long, the rate is halved, so
	// that a queue of our own drains and the base delay shows.
	slowEvery, slowFor = 10 * time.Second, 200 * time.Millisecond
	// A queue of longQueue times the target that lasts for longTime and longSamples is not ours alone
	// where a budget is known, as that leaves room. For yieldFor, until a measurement can
	// tell who came, a connection keeps to yieldTo of what it got through the queue: they
	// may need what was left free, too.
	longQueue           = 3
	longTime            = 150 * time.Millisecond
	longSamples         = 4
	yieldFor            = 2 * time.Second
	yieldTo     float64 = 0.35
	// guardIdle is from when on a connection that has nothing to move knows nothing of
	// its way any more.
	guardIdle = time.Second
)
