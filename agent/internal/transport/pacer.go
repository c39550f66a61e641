package transport

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// paceEvery is how often a connection that sends is sampled.
	paceEvery = 20 * time.Millisecond
	// askEvery is how often its way is asked for, in rounds of paceEvery.
	askEvery = 12
	// movedLately is for how long a connection that sent something counts as one that
	// shares a link with others.
	movedLately = 500 * time.Millisecond
	// restAfter is from when on a connection that sends nothing is left alone.
	restAfter = 5 * time.Second
	// controlPace is the pace of a connection that may send next to no blocks: what
	// nodes have to tell one another goes at the pace, too.
	controlPace unit.Rate = 4 << 10
)

// Way is what is known of the links that data to a peer cross.
type Way struct {
	// Uplinks is how many of them are uplinks of locations, also if none is declared.
	Uplinks int
	// Link is the slowest of them. Connections with the same one share its floor.
	Link topo.Hop
	// Guard is for all connections of this agent over Link together. Its Connections is
	// how many agents share the link, 0 if that is not known, and is multiplied by how
	// many connections this one has over it.
	Guard bandwidth.GuardConfig
}

// Ways tells the way to a peer; false if no link on it is declared, so that
// nothing is to be guarded, and of the way only Uplinks counts. It is called by any
// goroutine, some times a second for each connection that sends, and must not block.
type Ways func(peer unit.NodeID) (Way, bool)

// Pace is how fast a connection may send, and why.
type Pace struct {
	Rate  unit.Rate     // in bytes of TCP's payload per second
	Delay time.Duration // in queues on the way, as last seen
	Held  bool          // Rate is low because of delay or loss
	Least unit.Rate     // what Rate may fall to
}

// SetWays has a guard watch the delay of each connection whose way is known, from
// the next block on that it sends. Nil ends that.
func (t *Transport) SetWays(ways Ways) { t.pacer.setWays(ways) }

// Pace is the pace of a connection that a guard watches now; false if none does.
func (c *Conn) Pace() (Pace, bool) {
	p := c.pace.Load()
	if p == nil {
		return Pace{}, false
	}
	return *p, true
}

// pacer runs the guards of a transport's connections. While nothing is sent it has
// no goroutine. It is safe for concurrent use.
type pacer struct {
	log   *slog.Logger
	epoch time.Time
	on    atomic.Bool // ways is there

	mu      sync.Mutex
	closed  bool
	ways    Ways
	sending map[*Conn]*paced
	running bool           // the goroutine that looks after sending
	work    sync.WaitGroup // and waits for it
	failed  sync.Once      // what the kernel does not do is logged once
	yield   bandwidth.Yield
}

// paced is what the pacer knows of a connection. The pacer's lock guards it.
type paced struct {
	conn    *Conn
	guard   *bandwidth.Guard // nil while there is nothing to guard
	link    topo.Hop         // that guard is for
	ceiling unit.Rate        // of the guard
	uplinks int              // that the way crosses
	most    unit.Rate        // so that others have room on the host's own link
	set     unit.Rate        // what the kernel was told
	kernel  sampler
	moved   int64     // how much of it has arrived, or was sent
	since   time.Time // when moved last grew
	flow    flow
}

func newPacer(log *slog.Logger) *pacer {
	return &pacer{log: log, epoch: time.Now(), sending: map[*Conn]*paced{}}
}

func (p *pacer) setWays(ways Ways) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ways = ways
	p.on.Store(ways != nil)
}

// close ends the goroutine. Connections keep the pace that they have.
func (p *pacer) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.work.Wait()
}

// enter has a connection looked after that is about to send a block.
func (p *pacer) enter(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.sending[c] != nil || c.socket == nil {
		return
	}
	if c.paced == nil {
		c.paced = &paced{conn: c, set: unit.Unlimited, most: unit.Unlimited}
	}
	c.paced.since = time.Now()
	c.watched.Store(true)
	p.sending[c] = c.paced
	p.askWays()
	p.apply(c.paced)
	if !p.running {
		p.running = true
		p.work.Go(p.run)
	}
}

// run looks after the connections that send until there are none.
func (p *pacer) run() {
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	for number := 1; p.round(<-tick.C, number%askEvery == 0); number++ {
	}
}

// round samples each connection once, and asks for its way if it is to; false if there
// is none left.
func (p *pacer) round(now time.Time, ask bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ask {
		p.askWays()
	}
	p.makeRoom(now)
	for c, s := range p.sending {
		if p.closed || c.ended() || !p.sample(s, now) {
			delete(p.sending, c)
			continue
		}
		p.apply(s)
		if now.Sub(s.since) >= restAfter {
			delete(p.sending, c)
			c.watched.Store(false)
		}
	}
	p.running = len(p.sending) > 0
	return p.running
}

// askWays asks for the ways of all connections, and divides each link among those
// that share it.
func (p *pacer) askWays() {
	ways, sharing := map[*paced]Way{}, map[topo.Hop]int{}
	for c, s := range p.sending {
		way, ok := p.wayTo(c.peer)
		s.uplinks = way.Uplinks
		if ok {
			ways[s] = way
			if time.Since(s.since) < movedLately {
				sharing[way.Link]++
			}
		}
	}
	for _, s := range p.sending {
		way, ok := ways[s]
		way.share(sharing[way.Link])
		s.configure(way, ok)
	}
}

// share divides what there is for all connections over the link among those that use
// it, of whom none gets more than the link's budget. What comes at once from all of them
// is then not more than the way's Ceiling.
func (w *Way) share(connections int) {
	n := max(connections, 1)
	w.Guard.Connections = max(w.Guard.Connections, 1) * n
	if w.Guard.Ceiling < unit.Unlimited {
		w.Guard.Ceiling /= unit.Rate(n)
		if w.Guard.Budget > 0 {
			w.Guard.Ceiling = min(w.Guard.Ceiling, w.Guard.Budget)
		}
		w.Guard.Start = min(w.Guard.Start, w.Guard.Ceiling)
	}
}

func (p *pacer) wayTo(peer unit.NodeID) (Way, bool) {
	if p.ways == nil {
		return Way{}, false
	}
	return p.ways(peer)
}

// configure has the guard be for a way, or be none. A guard of another link has
// nothing to tell of this one.
func (s *paced) configure(way Way, known bool) {
	s.ceiling = way.Guard.Ceiling
	switch {
	case !known:
		s.guard = nil
	case s.guard == nil || s.link != way.Link:
		s.guard, s.link = bandwidth.NewGuard(way.Guard), way.Link
	default:
		s.guard.Configure(way.Guard)
	}
}

// sample tells the guard what the kernel says of its connection. It is false if
// the kernel says too little: such a connection is never sampled again, and has
// no pace.
func (p *pacer) sample(s *paced, now time.Time) bool {
	if s.guard == nil {
		s.grown(s.conn.stats.payloadOut.Load(), now)
		return true
	}
	info, err := s.conn.socket.info()
	if err != nil {
		return p.giveUp(s, err)
	}
	sample, ok := s.kernel.sample(unit.Time(now.Sub(p.epoch)), info)
	if !ok {
		return p.giveUp(s, errTooOld)
	}
	s.guard.Sample(sample)
	s.grown(int64(sample.Acked), now)
	return true
}

var errTooOld = errors.New("the kernel does not count what is acknowledged: Linux 4.2 does")

func (s *paced) grown(moved int64, now time.Time) {
	if moved != s.moved {
		s.moved, s.since = moved, now
	}
}

// apply tells the kernel the pace, if it differs by more than a little from what
// it was told last.
func (p *pacer) apply(s *paced) {
	if s.guard == nil {
		s.conn.setPace(nil)
		p.change(s, s.most)
		return
	}
	rate, least := s.guard.Rate(), s.guard.Floor()
	if s.ceiling < controlPace {
		rate, least = controlPace, controlPace
	}
	s.conn.setPace(&Pace{Rate: rate, Delay: s.guard.Delay(), Held: s.guard.Held(), Least: least})
	p.change(s, min(rate, s.most))
}

// change tells the kernel a rate that differs by more than a little.
func (p *pacer) change(s *paced, rate unit.Rate) {
	if d := rate - s.set; d > s.set/leastChange || -d > s.set/leastChange {
		p.tell(s, rate)
	}
}

// leastChange is by which part the pace has to change for the kernel to be told.
const leastChange = 32

func (p *pacer) tell(s *paced, rate unit.Rate) {
	if rate == s.set {
		return
	}
	if err := s.conn.socket.setPace(rate); err != nil {
		p.giveUp(s, err)
		return
	}
	s.set = rate
}

// giveUp leaves a connection to the budgets alone. It returns false.
func (p *pacer) giveUp(s *paced, why error) bool {
	if s.conn.ended() {
		return false
	}
	p.failed.Do(func() {
		p.log.Warn("the delay of connections is not guarded; budgets of links still hold", "peer", string(s.conn.peer), "error", why)
	})
	delete(p.sending, s.conn)
	s.guard = nil
	s.conn.setPace(nil)
	_ = s.conn.socket.setPace(unit.Unlimited)
	return false
}
