package overlay

import (
	"maps"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Redialing backs off from redialMin to redialMax.
const (
	redialMin = 100 * time.Millisecond
	redialMax = 5 * time.Second
)

// link is the wish to be connected to a peer that some group names.
type link struct {
	peer Member
	up   bool
	lost bool // it was up, and has ended
	// dialAt is when to dial; Never while connected, while a dial is under
	// way, or when the peer is the one that dials.
	dialAt  unit.Time
	backoff time.Duration
}

// dials reports whether this node is the one that dials the peer: the smaller
// name does, so that a pair has one connection.
func (o *Overlay) dials(peer unit.NodeID) bool { return o.self.Node < peer }

// Named returns a peer's record if some group of ours names it; every other
// connection is refused (requirement 12).
func (o *Overlay) Named(peer unit.NodeID) (Member, bool) {
	for i := range o.levels {
		members := o.levels[i].group.Members
		j, found := slices.BinarySearchFunc(members, peer, func(m Member, n unit.NodeID) int {
			return cmpNode(m.Node, n)
		})
		if found && peer != o.self.Node {
			return members[j], true
		}
	}
	return Member{}, false
}

func cmpNode(a, b unit.NodeID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// relink brings the links in line with the groups.
func (o *Overlay) relink(now unit.Time, out []Action) []Action {
	for i := range o.levels {
		for _, m := range o.levels[i].group.Members {
			if m.Node != o.self.Node {
				o.link(now, m)
			}
		}
	}
	if o.down {
		return out
	}
	return o.redial(now, o.dropUnnamed(now, out))
}

func (o *Overlay) link(now unit.Time, m Member) {
	k := o.links[m.Node]
	if k == nil {
		k = &link{dialAt: unit.Never, backoff: redialMin}
		if o.dials(m.Node) {
			k.dialAt = now
		}
		o.links[m.Node] = k
	} else if moved := k.peer.Addr != m.Addr || k.peer.Complete && !m.Complete; moved && !k.up && o.dials(m.Node) {
		k.dialAt = now // it came back elsewhere, or needs us again
	}
	k.peer = m
}

// dialAll dials every peer that is not connected without waiting any longer.
func (o *Overlay) dialAll(now unit.Time) {
	for id, k := range o.links {
		if !k.up && o.dials(id) {
			k.dialAt = now
		}
	}
}

func (o *Overlay) dropUnnamed(now unit.Time, out []Action) []Action {
	if now < o.keepUntil {
		return out
	}
	for _, id := range slices.Sorted(maps.Keys(o.links)) {
		if _, named := o.Named(id); !named {
			delete(o.links, id)
			out = append(out, Disconnect{Peer: id})
		}
	}
	return out
}

// redial dials what is due. Two nodes that both have everything have nothing
// to say to each other.
func (o *Overlay) redial(now unit.Time, out []Action) []Action {
	for _, id := range slices.Sorted(maps.Keys(o.links)) {
		k := o.links[id]
		if k.up || !k.dialAt.Reached(now) {
			continue
		}
		if o.self.Complete && k.peer.Complete {
			k.dialAt = now.Add(redialMax)
			continue
		}
		k.dialAt = unit.Never
		out = append(out, Connect{Peer: k.peer})
	}
	return out
}

func (o *Overlay) nextDial() unit.Time {
	next := unit.Never
	for _, k := range o.links {
		if !k.up {
			next = min(next, k.dialAt)
		}
	}
	return next
}

// PeerUp says that a connection to the peer stands, whoever dialed.
func (o *Overlay) PeerUp(peer unit.NodeID) {
	if k := o.links[peer]; k != nil {
		k.up, k.lost, k.dialAt, k.backoff = true, false, unit.Never, redialMin
	}
}

// PeerDown says that a connection ended or a dial failed. It is dialed again
// with backoff as long as a group names the peer.
func (o *Overlay) PeerDown(now unit.Time, peer unit.NodeID) {
	k := o.links[peer]
	if k == nil {
		return
	}
	if k.up {
		k.up, k.lost = false, true
		o.succeed(now)
	}
	if o.dials(peer) {
		k.dialAt = now.Add(k.backoff + o.rand.Jitter(k.backoff))
		k.backoff = min(2*k.backoff, redialMax)
	}
}
