package swarm

import (
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Sizes and times that shape the transfer.
const (
	// Grain is what requests are multiples of, except at the end of a span, and
	// where they begin: the block of BEP 3.
	Grain = 16 << 10
	// BlockSize is how much one request asks for at most.
	BlockSize = 128 << 10
	// The bytes requested from a peer and not yet received are bounded by
	// windowTime at the peer's measured rate, so that what a slow peer owes can
	// still be taken from it, within these limits.
	minWindow     = 256 << 10
	initialWindow = 1 << 20
	maxWindow     = 2 << 20
	windowTime    = 500 * time.Millisecond
	// maxInFlight bounds what is requested from all peers together.
	maxInFlight = 32 << 20
	// startTTL is how long a START counts without a HAVE; patience is how long
	// what somebody inside the location STARTed is left to him although there
	// is nothing else to do.
	startTTL = 10 * time.Second
	patience = 3 * time.Second
	// stallAfter is how long a peer may owe blocks without sending any before
	// others are asked; silentAfter, before the connection is given up.
	stallAfter  = 10 * time.Second
	silentAfter = 30 * time.Second
)

// Budget limits what is requested. A bandwidth.Bucket is one.
type Budget interface {
	Allows(now unit.Time) bool
	Take(now unit.Time, n unit.Bytes)
	ReadyAt(now unit.Time) unit.Time
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
	// Download limits requests; it is shared by all transfers of the node.
	Download Budget
	// Division and Stealing switch work division and the heeding of STARTs off
	// when false, to measure what each gains.
	Division, Stealing bool
}

// Swarm is the state of one artifact on one node. It is not safe for concurrent
// use; its caller is its owner.
type Swarm struct {
	cfg   Config
	have  artifact.Bitset
	left  int     // spans missing
	order []int32 // base order of picking: runs shuffled by node, ascending inside a run
	peers map[unit.NodeID]*peer
	ids   []unit.NodeID // keys of peers, sorted

	active   map[int32]*active   // spans in transfer
	actives  []int32             // keys of active in the order they were started
	inFlight int                 // bytes requested, not received
	starts   map[int32][]start   // STARTs of peers per span
	blamed   map[unit.NodeID]int // badSpans of peers, gone ones too
	doubts   map[unit.NodeID]int // for parts in wrong spans of several senders, see doubted
	place    place
	division division
	seeding  seeding
	scanAt   unit.Time // when Tick looks for work again
	halted   bool      // fetch nothing more
	pending  announcements
	counters Counters
}

// Counters add up what happened, in bytes of block payload.
type Counters struct {
	Received  unit.Bytes
	Duplicate unit.Bytes // of Received, thrown away: there already, or not verified
	Sent      unit.Bytes
	Seeder    unit.Bytes // of Received, from initial seeders
	ByLevel   []unit.Bytes
}

// New returns the swarm of an artifact. It connects to nobody by itself: peers
// come through PeerJoined.
func New(c Config) *Swarm {
	s := &Swarm{
		cfg: c, have: c.Have.Clone(),
		peers:  map[unit.NodeID]*peer{},
		active: map[int32]*active{},
		starts: map[int32][]start{},
		blamed: map[unit.NodeID]int{},
		doubts: map[unit.NodeID]int{},
	}
	s.seeding = seeding{spans: map[int32]served{}, near: make([]unit.Time, c.Location.Depth()+1)}
	s.left = len(c.Lengths) - s.have.Count()
	s.halted = c.Initial // a published source is read only
	s.counters.ByLevel = make([]unit.Bytes, c.Location.Depth()+1)
	s.division.init(len(c.Lengths))
	s.order = baseOrder(len(c.Lengths), s.division.runLength, unit.NewRand(unit.Seed(string(c.Self))))
	return s
}

// baseOrder shuffles the runs and keeps the order inside each, so that disks
// see sequential access and nodes start at different places.
func baseOrder(spans, runLength int, r *unit.Rand) []int32 {
	runs := make([]int, (spans+runLength-1)/runLength)
	for i := range runs {
		j := r.IntN(i + 1)
		runs[i] = runs[j]
		runs[j] = i
	}
	order := make([]int32, 0, spans)
	for _, run := range runs {
		for x := run * runLength; x < min((run+1)*runLength, spans); x++ {
			order = append(order, int32(x))
		}
	}
	return order
}

// Complete reports whether every span is stored.
func (s *Swarm) Complete() bool { return s.left == 0 }

// Have returns a copy of the spans that are stored.
func (s *Swarm) Have() artifact.Bitset { return s.have.Clone() }

// Spans is how many spans the artifact has.
func (s *Swarm) Spans() int { return len(s.cfg.Lengths) }

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
			s.have.Clear(i)
			s.left++
			delete(s.seeding.spans, x)
			s.pending.lost = append(s.pending.lost, uint32(x))
		case !s.have.Has(i) && have.Has(i):
			if s.active[x] != nil {
				out = s.release(x, out)
			}
			s.gain(x)
		}
	}
	return s.fillAll(now, out)
}

// gain takes a stored span into account.
func (s *Swarm) gain(x int32) {
	if !s.have.Has(int(x)) {
		s.have.Set(int(x))
		s.left--
		s.pending.have(uint32(x))
	}
}

// Halt ends fetching, because nothing can be written any more. What is stored
// is still served.
func (s *Swarm) Halt(out []Action) []Action {
	s.halted = true
	for len(s.actives) > 0 {
		out = s.release(s.actives[0], out)
	}
	return out
}

// valid reports whether a block lies within its span.
func (s *Swarm) valid(b Block) bool {
	return b.Span >= 0 && int(b.Span) < len(s.cfg.Lengths) &&
		b.Begin >= 0 && b.Length > 0 && int64(b.Begin)+int64(b.Length) <= int64(s.cfg.Lengths[b.Span])
}
