package swarm

import (
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

// place is where the node stands in the overlay.
type place struct {
	self    unit.Location
	highest unit.Location
	// inside is the part of the network that the node represents in its highest
	// group: the location one level below that group. A node whose highest group
	// is its own location represents nobody, and represents is false.
	inside     unit.Location
	represents bool
	members    []PeerInfo               // of the highest group, without ourselves
	named      map[unit.NodeID]PeerInfo // the members of all groups
}

func newPlace(self, highest unit.Location, members []PeerInfo) place {
	pl := place{self: self, highest: highest, members: members}
	for l := self; l != highest && l != unit.Root; l = l.Parent() {
		pl.inside, pl.represents = l, true
	}
	return pl
}

// classify sets what depends on the place.
func (pl *place) classify(p *peer) {
	if info, named := pl.named[p.Node]; named {
		p.Top, p.Starving = info.Top, info.Starving
	}
	p.inside = pl.represents && pl.inside.Contains(p.Location)
	p.pace.share(pl.askers(p))
}

// askers is how many ask a peer for spans, as far as we know: the members of the groups
// that it and we are in, without itself and initial seeders, and with ourselves.
func (pl *place) askers(p *peer) int {
	n := 1
	for _, info := range pl.named {
		if info.Top <= p.level && !info.Initial && info.Node != p.Node {
			n++
		}
	}
	return n
}

// Moved takes the node's new place: its highest group, the members of that group
// and of all its groups, without itself.
func (s *Swarm) Moved(now unit.Time, highest unit.Location, members, all []PeerInfo, out []Action) []Action {
	s.place = newPlace(s.cfg.Location, highest, members)
	s.place.named = make(map[unit.NodeID]PeerInfo, len(all))
	for _, info := range all {
		s.place.named[info.Node] = info
	}
	for _, p := range s.peers {
		s.place.classify(p)
	}
	s.division.stale = true
	return s.fillAll(now, out)
}

// division is who owns which run of spans, by rendezvous hashing
// (requirement 15): the member whose hash with the run is the highest.
type division struct {
	runLength int
	stale     bool
	// own[run] says that we own the run in our highest group; bring[run], that
	// among those who bring spans into the location that we represent, it is
	// our turn.
	own, bring []bool
	// turns[level][run] says that of the members of our location who fetch from peers
	// at that level it is our turn: a representative for what is farther out takes
	// turns with those who are not, in the groups below.
	turns [][]bool
}

// runLength keeps about 256 runs, so that shares come out even, yet disks see
// some sequence.
func (d *division) init(spans, depth int) {
	d.runLength = min(max(spans/256, 1), 16)
	runs := (spans + d.runLength - 1) / d.runLength
	d.own, d.bring = make([]bool, runs), make([]bool, runs)
	d.turns = make([][]bool, depth)
	for level := range d.turns {
		d.turns[level] = make([]bool, runs)
	}
	d.stale = true
}

// owns and brings report on the share of a span. Without division everybody
// owns everything.
func (s *Swarm) owns(x int32) bool   { return s.division.own[int(x)/s.division.runLength] }
func (s *Swarm) brings(x int32) bool { return s.division.bring[int(x)/s.division.runLength] }

// turn reports whether it is ours to fetch the span from peers at a level, who are
// outside of our location.
func (s *Swarm) turn(x int32, level int) bool {
	return s.division.turns[level][int(x)/s.division.runLength]
}

// redivide recomputes the shares when members or their completeness changed.
func (s *Swarm) redivide() {
	d := &s.division
	if !d.stale {
		return
	}
	d.stale = false
	var group, fellows []uint64
	for _, m := range s.place.members {
		if !s.downloads(m) {
			continue
		}
		h := nodeHash(m.Node)
		group = append(group, h)
		if s.place.represents && s.place.inside.Contains(m.Location) {
			fellows = append(fellows, h)
		}
	}
	self := nodeHash(s.cfg.Self)
	for run := range d.own {
		d.own[run] = !s.cfg.Strategy.Division || wins(self, group, run)
		d.bring[run] = !s.cfg.Strategy.Division || wins(self, fellows, run)
	}
	s.takeTurns()
}

// takeTurns recomputes whose turn it is to fetch from outside of our location.
func (s *Swarm) takeTurns() {
	self, at := nodeHash(s.cfg.Self), s.cfg.Location
	for level := at.Depth() - 1; level >= 0; level-- {
		var fellows []uint64
		for _, m := range s.place.named {
			if m.Top <= level && at.Contains(m.Location) && s.downloads(m) {
				fellows = append(fellows, nodeHash(m.Node))
			}
		}
		for run := range s.division.turns[level] {
			s.division.turns[level][run] = !s.cfg.Strategy.Division || wins(self, fellows, run)
		}
		at = at.Parent()
	}
}

// downloads reports whether a member of the group takes part in the division:
// who has everything needs no share, and nobody takes what a muted one fetches.
func (s *Swarm) downloads(m PeerInfo) bool {
	p := s.peers[m.Node]
	return !m.Initial && !s.isMuted(m.Node) && (p == nil || !p.complete(len(s.cfg.Lengths)))
}

func nodeHash(n unit.NodeID) uint64 { return unit.Seed("owner", string(n)) }

func wins(self uint64, others []uint64, run int) bool {
	score := mix(self, run)
	return !slices.ContainsFunc(others, func(o uint64) bool {
		other := mix(o, run)
		return other > score || other == score && o > self
	})
}

// mix is the finalizer of splitmix64 over the node's hash and the run.
func mix(node uint64, run int) uint64 {
	z := node + uint64(run+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
