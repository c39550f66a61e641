package swarm

import (
	"cmp"
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
	// Starving: its location is short of what its members can send, so that it
	// passes little on to others.
	Starving bool
	// Top is the depth of the highest location in whose group both are.
	Top int
	// MaxRequest is the most that it sends for one request, in bytes; 0 means
	// 128 KiB.
	MaxRequest int32
}

// peer is a connected peer. Invariants: owed is the sum of the lengths of debts;
// each debt is of a span in transfer, all grains of which that it covers wait for
// this peer, and for no other debt.
type peer struct {
	PeerInfo
	*acquaintance
	seat    seat
	level   int  // depth of the deepest location that contains us both
	uplinks int  // of our own locations on the way to it
	outside bool // of our own location, or an initial seeder: it gives each span away once
	inside  bool // inside the part of the network that we represent in our highest group

	have      set
	haveCount int

	debts    []debt // requested and not received, oldest first
	owed     int    // bytes
	pace     pace
	lastData unit.Time
	stalled  bool
	refused  map[int32]refusal // spans that it rejected
	away     away
	will     will
	relay    relay
	// chokedUntil is until when it serves us nothing, by a reference strategy.
	chokedUntil unit.Time
	// pausedUntil is until when it serves nobody anything.
	pausedUntil unit.Time
	// met is when it connected, with broughtCount spans.
	met          unit.Time
	gotAt        unit.Time // its last HAVE while it took nothing back (tookBack), or when it connected
	lossUntil    unit.Time // until when it counts that it took back what it had
	broughtCount int
	fresh        []novelty // what it, outside of our location, got of late, oldest first
}

// away is how a peer outside sends us away: it has given most spans to others.
// To ask it for one span after the other would tell everybody START and STOP of
// each. Until it serves us again we begin new spans with it ever more seldom.
type away struct {
	times int
	until unit.Time
}

// sent notes that we were sent away.
func (a *away) sent(now unit.Time) {
	if now < a.until {
		return // of requests made together
	}
	a.until = now.Add(min(firstAway<<a.times, askAgain))
	a.times = min(a.times+1, 8)
}

const firstAway = 10 * time.Millisecond

// debt is a request that was not answered.
type debt struct {
	block Block
	at    unit.Time
}

// acquaintance is what is remembered of a node, gone or not.
type acquaintance struct {
	peer    *peer // nil while it is not connected
	doubts  int   // for parts in wrong spans of several senders, see doubted
	suspect suspect
	muted   unit.Time   // until when it is not listened to; 0: it is, see mute
	budget  checkBudget // of spans
	leaves  checkBudget // of bytes
	// promises are its STARTs.
	promises promises
	account  Account
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

// refuses reports whether the peer is not to be asked for a span now.
func (p *peer) refuses(now unit.Time, x int32) bool {
	r, refused := p.refused[x]
	return refused && now < r.until
}

// evades reports whether the peer has, but does not give a span.
func (p *peer) evades(now unit.Time, x int32) bool {
	r, refused := p.refused[x]
	return refused && now.Sub(r.since) >= p.refusalTime()
}

func (p *peer) complete(spans int) bool { return p.haveCount == spans }

// PeerJoined says that a connection to the peer stands. It is told what we
// have; what it has comes through PeerHas.
func (s *Swarm) PeerJoined(now unit.Time, info PeerInfo) {
	p := &peer{
		PeerInfo: info,
		seat:     s.seatOf(info.Node),
		level:    s.cfg.Location.Common(info.Location).Depth(),
		have:     newSet(len(s.cfg.Lengths)),
		pace:     newPace(info.MaxRequest),
		lastData: now,
		met:      now,
		gotAt:    now,
		refused:  map[int32]refusal{},
	}
	p.uplinks = s.uplinksTo(info.Location)
	p.outside = p.Initial || p.level < s.cfg.Location.Depth()
	p.acquaintance = s.known[p.seat]
	p.acquaintance.peer = p
	s.pardon(now, p)
	a := &p.acquaintance.account
	a.Location, a.Initial, a.Foreign = info.Location, info.Initial, info.Foreign
	s.peers[info.Node] = p
	i, found := s.find(info.Node)
	if !found {
		s.list = slices.Insert(s.list, i, p)
	}
	s.list[i] = p
	s.place.classify(p)
}

// uplinksTo is how many uplinks of our own locations there are between us and what is
// at a location.
func (s *Swarm) uplinksTo(l unit.Location) int {
	return s.cfg.Location.Uplinks(l)
}

// seatOf returns a node's seat, which it gets when it is met first.
func (s *Swarm) seatOf(node unit.NodeID) seat {
	if at, ok := s.seats[node]; ok {
		return at
	}
	at := seat(len(s.known))
	s.seats[node] = at
	s.known = append(s.known, &acquaintance{account: Account{Node: node}})
	return at
}

// find returns where a peer is in the list, or belongs.
func (s *Swarm) find(node unit.NodeID) (int, bool) {
	return slices.BinarySearchFunc(s.list, node, func(p *peer, id unit.NodeID) int { return cmp.Compare(p.Node, id) })
}

// PeerLeft says that the connection ended. What it owed is asked of others, and
// its STARTs are forgotten (requirement 16).
func (s *Swarm) PeerLeft(now unit.Time, node unit.NodeID, out []Action) []Action {
	p := s.peers[node]
	if p == nil {
		return out
	}
	delete(s.peers, node)
	if i, found := s.find(node); found {
		s.list = slices.Delete(s.list, i, i+1)
	}
	p.acquaintance.peer = nil
	for _, d := range p.debts {
		s.actives.inFlight -= int(d.block.Length)
		s.cfg.Download.Return(p.uplinks, unit.Bytes(d.block.Length))
		s.unrequest(d.block, p.seat)
	}
	s.forgetStarts(now, p)
	s.forgetSuspicions()
	s.division.stale = true
	out = s.releaseEmpty(out)
	out = s.inquireOnIf(now, func(q *inquiry) bool { return q.from == p.seat }, out)
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
	if p == nil || p.isMuted() {
		return out
	}
	for x := range s.cfg.Lengths {
		if p.have.Has(x) && !have.Has(x) {
			s.takesBack(now, p, int32(x))
		}
	}
	p.have, p.haveCount = setOf(have), have.Count()
	p.broughtCount = p.haveCount
	s.division.stale = true
	s.answeredAll(now, p)
	return s.fill(now, p, out)
}

// PeerGot takes a peer's HAVE, which also ends its STARTs.
func (s *Swarm) PeerGot(now unit.Time, node unit.NodeID, spans []uint32, out []Action) []Action {
	p, ok := s.sane(node, spans)
	if !ok {
		return s.badRequest(node, out)
	}
	if p.isMuted() {
		return out
	}
	for _, u := range spans {
		x := int32(u)
		if !p.have.Has(int(x)) { // else it is no news
			p.have.Set(int(x))
			p.haveCount++
			if !p.tookBack(now) {
				p.gotAt = now
			}
			s.noteLeaving(now, p, x)
			if p.level < s.cfg.Location.Depth() {
				s.news = now
				p.got(now, x)
			}
		}
		s.starts.remove(x, p)
		s.answered(now, p, x, true)
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
	if p.isMuted() {
		return out
	}
	for _, u := range spans {
		if p.have.Has(int(u)) {
			p.have.Clear(int(u))
			p.haveCount--
			s.takesBack(now, p, int32(u))
		}
		out = s.withdrawn(now, p, int32(u), out)
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

// PeerPaused says that a peer serves nothing for a while.
func (s *Swarm) PeerPaused(now unit.Time, node unit.NodeID, wait time.Duration) {
	if p := s.peers[node]; p != nil {
		p.pausedUntil = now.Add(wait)
	}
}

// overloaded reports whether what the peer owes will take it longer than we are
// ready to wait before asking somebody farther away. One that is paused counts, and
// one that gives nothing.
func (p *peer) overloaded(now unit.Time) bool {
	return p.stalled || now < p.pausedUntil || p.keeps(now) || len(p.debts) > 0 && p.clears(now) > overload
}

// clears estimates how long the peer, which owes something, takes for it: by its
// rate, but no less than it has been silent already.
func (p *peer) clears(now unit.Time) time.Duration {
	quiet := now.Sub(max(p.lastData, p.debts[0].at))
	if p.pace.rate > 0 {
		return max(quiet, unit.Bytes(p.owed).Over(p.pace.rate))
	}
	return max(quiet, now.Sub(p.debts[0].at))
}

// receive takes n bytes of payload that arrived into account.
func (p *peer) receive(now unit.Time, b Block, d debt, owed bool) {
	p.lastData, p.stalled, p.away = now, false, away{}
	p.account.Down += unit.Bytes(b.Length)
	p.will.give()
	if owed {
		p.pace.answered(now, d.at)
		p.pace.arrived(now, unit.Bytes(b.Length))
	}
}
