package links

import (
	"context"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// places are where peers stand, as the store knows them. It is safe for concurrent
// use.
type places struct {
	mu      sync.Mutex
	at      map[unit.NodeID]unit.Location
	unknown bool      // somebody asked for a peer that is not in at
	read    unit.Time // when the store was asked last
	ever    bool
}

// of returns where a peer stands; false if that is not known yet.
func (p *places) of(peer unit.NodeID) (unit.Location, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.at[peer]
	p.unknown = p.unknown || !ok
	return l, ok
}

// A node that moved is known to have done so after placesLast; one that is not known
// is looked for every placesEvery at most.
const (
	placesEvery = 2 * time.Second
	placesLast  = time.Minute
)

// due reports whether the store is to be asked where peers stand.
func (p *places) due(now unit.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := now.Sub(p.read)
	if p.unknown && (!p.ever || since >= placesEvery) || p.ever && len(p.at) > 0 && since >= placesLast {
		p.read, p.ever, p.unknown = now, true, false
		return true
	}
	return false
}

// locate reads where peers stand, if somebody wants to know.
func (m *Manager) locate(ctx context.Context) {
	if !m.places.due(m.now()) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	nodes, err := m.cfg.Store.Nodes(ctx)
	if err != nil {
		return // who is not known is taken to be far away
	}
	at := map[unit.NodeID]unit.Location{}
	for _, n := range nodes {
		at[unit.NodeID(n.Name)] = unit.Location(n.Location)
	}
	m.places.mu.Lock()
	defer m.places.mu.Unlock()
	m.places.at = at
}

// ahead is how far above this node's share of a link a connection's pace may go, so
// that it is the share that counts and not the pace, and the share is used; and above its
// part of this host's link, so that a fast neighbour uses what slow ones leave.
const ahead = 1.5

// Uplinks is how many uplinks of this node's locations data to a peer cross. A peer whose
// place is not known is taken to be behind all of them.
func (m *Manager) Uplinks(peer unit.NodeID) int {
	place, _ := m.places.of(peer)
	return m.cfg.Location.Uplinks(place)
}

// Way is what is known of the links that data to a peer cross: the slowest of those
// that are declared, and what a guard of its queue is made from. If none is, but one
// between here and the root, this host's own link is guarded: others notice a queue
// there, too, and what arrives here is acknowledged behind it. Otherwise it is false.
// A peer whose place is not known is taken to be behind all of this node's uplinks.
func (m *Manager) Way(peer unit.NodeID) (slowest topo.Hop, guard bandwidth.GuardConfig, ok bool) {
	place, known := m.places.of(peer)
	if !known {
		place = unit.Root
	}
	guard.Ceiling, guard.Budget, guard.Shared = unit.Unlimited, unit.Unlimited, true
	for i, h := range crossed(m.cfg.Location, place) {
		f := m.known.look(h.Location)
		if !f.limited(h.Up) {
			continue
		}
		capacity := f.capacity(h.Up)
		if !ok || capacity > 0 && (guard.Link == 0 || capacity < guard.Link) {
			slowest, guard.Link = h, capacity
		}
		ok = true
		b := f.budget(m.now(), m.cfg.Policy, h.Up).Payload()
		guard.Ceiling, guard.Budget = min(guard.Ceiling, b.Rate), min(guard.Budget, b.Rate)
		share := m.share(i, h)
		guard.Shared = guard.Shared && share.Rate < unit.Unlimited
		if share.Rate < unit.Unlimited {
			guard.Ceiling = min(guard.Ceiling, unit.Rate(float64(share.Rate)*ahead))
			guard.Connections = max(guard.Connections, share.Binding.Users)
		}
	}
	if !ok {
		slowest, ok = topo.Hop{Location: m.cfg.Location, Node: m.cfg.Self, Up: true}, m.anyKnown()
		if own := m.hostUp(); own.Rate < unit.Unlimited {
			guard.Link, guard.Budget, guard.Shared = own.Binding.Capacity, own.Rate, false
			guard.Ceiling = unit.Rate(float64(own.Rate) * ahead)
		}
	}
	guard.Floor = bandwidth.FloorOf(guard.Link)
	if guard.Ceiling < unit.Unlimited {
		guard.Start = guard.Ceiling
	}
	return slowest, guard, ok
}

// share is this node's of hop i of its way to the root, if that is h.
func (m *Manager) share(i int, h topo.Hop) bandwidth.Budget {
	m.mu.Lock()
	defer m.mu.Unlock()
	if up := m.outer[1]; i < len(up) && up[i].Binding.Hop == h {
		return up[i]
	}
	return bandwidth.NoLimit(h)
}

// hostUp is what this host may send by its own link.
func (m *Manager) hostUp() bandwidth.Budget {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.said[1] == nil {
		return bandwidth.NoLimit(topo.Hop{})
	}
	return m.said[1][0]
}

// crossed are the hops of data from one location to another.
func crossed(from, to unit.Location) (hops []topo.Hop) {
	common := from.Common(to)
	for l := from; l != common; l = l.Parent() {
		hops = append(hops, topo.Hop{Location: l, Up: true})
	}
	for l := to; l != common; l = l.Parent() {
		hops = append(hops, topo.Hop{Location: l})
	}
	return hops
}
