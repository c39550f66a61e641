package swarm

import (
	"maps"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/unit"
)

// PeerInfo is what is known of a peer when its connection stands.
type PeerInfo struct {
	Node     unit.NodeID
	Location unit.Location
	Initial  bool
	// Foreign: it is a client of plain BitTorrent, which passes nothing on.
	Foreign bool
	// Top is the depth of the highest location in whose group both are.
	Top int
}

// peer is a connected peer. Invariant: owed is the sum of the lengths of debts.
type peer struct {
	PeerInfo
	level  int  // depth of the deepest location that contains us both
	inside bool // inside the part of the network that we represent in our highest group

	have      artifact.Bitset
	haveCount int

	debts    []debt // requested and not received, oldest first
	owed     int    // bytes
	window   int    // bytes that may be owed
	rate     unit.Rate
	lastData unit.Time
	meter    struct {
		since unit.Time
		bytes unit.Bytes
	}
	stalled  bool
	refused  map[int32]refusal // spans that it rejected
	badSpans int               // spans of its that failed verification
}

type debt struct {
	block Block
	at    unit.Time
}

// refusal says that a peer is not asked for a span, and since when.
type refusal struct {
	since, until unit.Time
	suspected    bool // by ourselves: it was one of several senders of wrong bytes
}

// refuse has the peer not be asked for the span until then.
func (p *peer) refuse(now unit.Time, x int32, until unit.Time) {
	r, again := p.refused[x]
	if !again {
		r.since = now
	}
	r.until, r.suspected = until, false
	p.refused[x] = r
}

// evades reports whether the peer has, but does not give a span. An initial
// seeder sends everybody away for a while; its doing so means less.
func (p *peer) evades(now unit.Time, x int32) bool {
	r, refused := p.refused[x]
	return refused && (!p.Initial || now.Sub(r.since) > maxGiveTime)
}

func (p *peer) complete(spans int) bool { return p.haveCount == spans }

// PeerJoined says that a connection to the peer stands. It is told what we
// have; what it has comes through PeerHas.
func (s *Swarm) PeerJoined(now unit.Time, info PeerInfo) {
	p := &peer{
		PeerInfo: info,
		level:    s.cfg.Location.Common(info.Location).Depth(),
		have:     artifact.NewBitset(len(s.cfg.Lengths)),
		window:   initialWindow,
		lastData: now,
		badSpans: s.blamed[info.Node],
		refused:  map[int32]refusal{},
	}
	s.peers[info.Node] = p
	if i, found := slices.BinarySearch(s.ids, info.Node); !found {
		s.ids = slices.Insert(s.ids, i, info.Node)
	}
	s.place.classify(p)
}

// PeerLeft says that the connection ended. What it owed is asked of others, and
// its STARTs are forgotten (requirement 16).
func (s *Swarm) PeerLeft(now unit.Time, node unit.NodeID, out []Action) []Action {
	p := s.peers[node]
	if p == nil {
		return out
	}
	delete(s.peers, node)
	if i, found := slices.BinarySearch(s.ids, node); found {
		s.ids = slices.Delete(s.ids, i, i+1)
	}
	for _, d := range p.debts {
		s.inFlight -= int(d.block.Length)
		s.unrequest(d.block, node)
	}
	s.forgetStarts(node)
	s.forgetSuspicions()
	s.division.stale = true
	out = s.releaseEmpty(out)
	return s.fillAll(now, out)
}

// forgetSuspicions lets spans be asked of those again who sent them together
// with others: who left may have been to blame, or the one that was to send them
// alone.
func (s *Swarm) forgetSuspicions() {
	for _, p := range s.peers {
		maps.DeleteFunc(p.refused, func(_ int32, r refusal) bool { return r.suspected })
	}
}

// PeerHas takes a peer's whole bitfield.
func (s *Swarm) PeerHas(now unit.Time, node unit.NodeID, have artifact.Bitset, out []Action) []Action {
	p := s.peers[node]
	if p == nil {
		return out
	}
	p.have, p.haveCount = have.Clone(), have.Count()
	s.division.stale = true
	return s.fill(now, p, out)
}

// PeerGot takes a peer's HAVE, which also ends its STARTs.
func (s *Swarm) PeerGot(now unit.Time, node unit.NodeID, spans []uint32, out []Action) []Action {
	p, ok := s.sane(node, spans)
	if !ok {
		return s.badRequest(node, out)
	}
	for _, u := range spans {
		x := int32(u)
		if !p.have.Has(int(x)) {
			p.have.Set(int(x))
			p.haveCount++
		}
		s.removeStart(x, node)
		s.noteSpread(now, node, x)
	}
	if p.complete(len(s.cfg.Lengths)) {
		s.division.stale = true
	}
	return s.fill(now, p, out)
}

// PeerLost takes a peer's withdrawal of spans. What was asked of it of them is
// asked of others.
func (s *Swarm) PeerLost(now unit.Time, node unit.NodeID, spans []uint32, out []Action) []Action {
	p, ok := s.sane(node, spans)
	if !ok {
		return s.badRequest(node, out)
	}
	for _, u := range spans {
		if p.have.Has(int(u)) {
			p.have.Clear(int(u))
			p.haveCount--
		}
	}
	s.division.stale = true
	return s.fillAll(now, out)
}

// sane returns the peer if all spans exist.
func (s *Swarm) sane(node unit.NodeID, spans []uint32) (*peer, bool) {
	p := s.peers[node]
	n := uint32(len(s.cfg.Lengths))
	return p, p != nil && !slices.ContainsFunc(spans, func(x uint32) bool { return x >= n })
}

func (s *Swarm) badRequest(node unit.NodeID, out []Action) []Action {
	if s.peers[node] == nil {
		return out
	}
	return append(out, Hangup{Peer: node, Reason: BadRequest})
}

// overloaded reports whether what the peer owes will take it longer than we are
// ready to wait before asking somebody farther away.
func (p *peer) overloaded(now unit.Time) bool {
	return p.stalled || len(p.debts) > 0 && p.clears(now) > patience
}

// clears estimates how long the peer takes for what it owes: by its rate, or
// while that is not known by how long it has owed already.
func (p *peer) clears(now unit.Time) time.Duration {
	if p.rate > 0 {
		return unit.Bytes(p.owed).Over(p.rate)
	}
	return now.Sub(p.debts[0].at)
}

// measure takes n bytes of payload that arrived into the peer's rate and
// window.
func (p *peer) measure(now unit.Time, n unit.Bytes) {
	const interval = 250 * time.Millisecond
	p.lastData, p.stalled = now, false
	p.meter.bytes += n
	d := now.Sub(p.meter.since)
	if d < interval {
		return
	}
	if d < 4*interval { // else it was idle: no measurement of its speed
		r := unit.Rate(float64(p.meter.bytes) / d.Seconds())
		if p.rate == 0 {
			p.rate = r
		}
		p.rate = (p.rate + r) / 2
		p.window = int(min(max(p.rate.In(windowTime), minWindow), maxWindow))
	}
	p.meter.since, p.meter.bytes = now, 0
}
