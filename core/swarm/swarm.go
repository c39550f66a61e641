package swarm

import (
	"math/bits"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Times and bounds that shape the transfer.
const (
	// maxInFlight bounds what is requested from all peers together, in bytes.
	maxInFlight = 32 << 20
	// maxStoring bounds the bytes of spans that wait for the disk: while it is
	// behind by so much nothing is requested.
	maxStoring = 32 << 20
	// startTTL is how long a START counts without a HAVE; patience is how long
	// at most what somebody inside the location STARTed is left to him although
	// there is nothing else to do: see patienceNow.
	startTTL      = 10 * time.Second
	patience      = 6 * time.Second
	leastPatience = 500 * time.Millisecond
	// overload is how long a nearer peer may take for what it owes, and evadeTime
	// how long one outside may refuse what it has, before somebody farther away is
	// asked.
	overload  = 3 * time.Second
	evadeTime = time.Second
	// stallAfter is how long a peer may owe blocks without sending any before
	// others are asked; silentAfter, before the connection is given up.
	stallAfter  = 10 * time.Second
	silentAfter = 30 * time.Second
)

// Budget limits what is requested, by how many uplinks of our own locations there
// are between us and the peer: 0 for one in our location. What is withdrawn or
// refused is returned to it, and taken again if it comes all the same. A
// bandwidth.Lane is one.
type Budget interface {
	// ReadyAt is when something may be requested: now, or later than now.
	ReadyAt(now unit.Time, uplinks int) unit.Time
	// Allows reports whether that is now. Who asks it and is refused has something
	// to request, and may be given precedence.
	Allows(now unit.Time, uplinks int) bool
	Take(now unit.Time, uplinks int, n unit.Bytes)
	Return(uplinks int, n unit.Bytes)
}

// Config is what a Swarm is made from.
type Config struct {
	Self     unit.NodeID
	Location unit.Location
	// Initial: this node published the artifact.
	Initial bool
	// Lengths of the spans in bytes, each positive, and those that are here.
	Lengths []int32
	Have    artifact.Bitset
	// Download limits requests.
	Download Budget
	Strategy Strategy
}

// Swarm is the state of one artifact on one node. It is not safe for concurrent
// use; its caller is its owner.
type Swarm struct {
	cfg   Config
	have  set
	left  int     // spans missing
	order []int32 // runs of spans in the order of picking, shuffled by node
	peers map[unit.NodeID]*peer
	list  []*peer // of peers, by name
	seats map[unit.NodeID]seat
	known []*acquaintance // by seat; that of seat 0 is nobody

	actives    actives
	maxGrains  int           // of the longest span
	began      unit.Time     // the first span
	spanTime   time.Duration // mean from a START of ours to the span's being stored; 0: not known
	starts     starts
	scratch    set     // of candidates
	aside      set     // and of those that come last
	evaded     []int32 // to be used again
	place      place
	supplies   []supply    // by depth of our location
	crossings  []crossing  // by uplinks
	leaving    []unit.Time // by the same as supplies, when something that only it had last got out
	picker     picker
	choker     choker
	division   division
	seeding    seeding
	news       unit.Time // the last HAVE of a peer outside of our location
	checks     checks
	scanAt     unit.Time // when Tick looks for work again
	halted     bool      // fetch nothing more
	pending    announcements
	announceAt unit.Time // when pending is announced, if that waits; else 0
	counters   Counters
}

// Counters add up what happened, in bytes of block payload.
type Counters struct {
	Received  unit.Bytes
	Duplicate unit.Bytes // of Received, thrown away: there already, or not verified
	Sent      unit.Bytes
	Seeder    unit.Bytes // of Received, from initial seeders
	Foreign   unit.Bytes // of Received, from foreign peers; of ByLevel[0] as well
	ByLevel   []unit.Bytes
}

// New returns the swarm of an artifact. It connects to nobody by itself: peers
// come through PeerJoined.
func New(c Config) *Swarm {
	n := len(c.Lengths)
	c.Strategy = c.Strategy.complete()
	s := &Swarm{
		cfg: c, have: setOf(c.Have),
		peers: map[unit.NodeID]*peer{}, seats: map[unit.NodeID]seat{}, known: []*acquaintance{{}},
		actives: newActives(n), starts: newStarts(n), scratch: newSet(n), aside: newSet(n),
	}
	for x := range c.Lengths {
		s.maxGrains = max(s.maxGrains, s.grains(int32(x)))
	}
	s.seeding = seeding{spans: map[int32]served{}, near: make([]unit.Time, c.Location.Depth()+1)}
	s.supplies = make([]supply, c.Location.Depth()+1)
	s.leaving = make([]unit.Time, c.Location.Depth()+1)
	s.crossings = make([]crossing, c.Location.Depth()+1)
	s.left = n - s.have.Count()
	s.halted = c.Initial // a published source is read only
	s.counters.ByLevel = make([]unit.Bytes, c.Location.Depth()+1)
	s.division.init(n, c.Location.Depth())
	r := unit.NewRand(unit.Seed(string(c.Self)))
	s.order = shuffled(len(s.division.own), r)
	s.picker, s.choker = c.Strategy.policies(r)
	return s
}

// shuffled returns the runs in an order of this node's own, so that nodes start
// at different places. Inside a run spans are taken in order: disks see
// sequential access.
func shuffled(runs int, r *unit.Rand) []int32 {
	order := make([]int32, runs)
	for i := range order {
		j := r.IntN(i + 1)
		order[i] = order[j]
		order[j] = int32(i)
	}
	return order
}

// Complete reports whether every span is stored.
func (s *Swarm) Complete() bool { return s.left == 0 }

// Have returns a copy of the spans that are stored.
func (s *Swarm) Have() artifact.Bitset { return s.have.bitset(len(s.cfg.Lengths)) }

// Spans is how many spans the artifact has.
func (s *Swarm) Spans() int { return len(s.cfg.Lengths) }

// Missing is how many spans are not stored, and how many of these no connected
// peer has.
func (s *Swarm) Missing() (missing, unserved int) {
	served := 0 // spans that are here or with a peer
	for i, here := range s.have {
		for _, p := range s.list {
			here |= p.have[i]
		}
		served += bits.OnesCount64(here)
	}
	return s.left, len(s.cfg.Lengths) - served
}

// Permille is the share of the spans that are stored.
func (s *Swarm) Permille() int {
	if len(s.cfg.Lengths) == 0 {
		return 1000
	}
	return (len(s.cfg.Lengths) - s.left) * 1000 / len(s.cfg.Lengths)
}

// Counters returns what has happened so far.
func (s *Swarm) Counters() Counters {
	c := s.counters
	c.ByLevel = append([]unit.Bytes(nil), c.ByLevel...)
	return c
}

// Replace replaces what is stored by have: content on disk has changed or was
// filled from elsewhere. Peers are told, and what is missing now is fetched.
func (s *Swarm) Replace(now unit.Time, have artifact.Bitset, out []Action) []Action {
	for i := range s.cfg.Lengths {
		x := int32(i)
		switch {
		case s.have.Has(i) && !have.Has(i):
			s.lose(x)
		case !s.have.Has(i) && have.Has(i):
			if a := s.actives.of[x]; a != nil {
				out = s.release(a, out)
			}
			s.gain(x)
		}
	}
	return s.fillAll(now, out)
}

// lose takes into account that a span is here no longer.
func (s *Swarm) lose(x int32) {
	s.have.Clear(int(x))
	s.left++
	delete(s.seeding.spans, x)
	s.pending.lost = append(s.pending.lost, uint32(x))
}

// gain takes a stored span into account.
func (s *Swarm) gain(x int32) {
	if !s.have.Has(int(x)) {
		s.have.Set(int(x))
		s.left--
		s.pending.have(uint32(x))
		if s.checks.unproven != nil {
			s.checks.unproven.Clear(int(x))
		}
		for _, p := range s.list {
			delete(p.refused, x)
		}
	}
}

// Halt ends fetching, because nothing can be written any more. What is stored
// is still served.
func (s *Swarm) Halt(out []Action) []Action {
	s.halted = true
	for len(s.actives.list) > 0 {
		out = s.release(s.actives.list[0], out)
	}
	return out
}

// Withdraw takes back all that is requested across so many uplinks of our locations
// or more. What was received is kept, and the rest is requested again when the
// budget allows it.
func (s *Swarm) Withdraw(uplinks int, out []Action) []Action {
	for _, p := range s.list {
		for p.uplinks >= uplinks && len(p.debts) > 0 {
			b := p.debts[0].block
			out = s.cancel(p, b, out)
			s.unrequest(b, p.seat)
		}
	}
	return s.releaseEmpty(out)
}

// valid reports whether a block lies within its span.
func (s *Swarm) valid(b Block) bool {
	return b.Span >= 0 && int(b.Span) < len(s.cfg.Lengths) &&
		b.Begin >= 0 && b.Length > 0 && int64(b.Begin)+int64(b.Length) <= int64(s.cfg.Lengths[b.Span])
}
