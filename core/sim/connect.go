package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/unit"
)

// admitEvery is how often a connection that waits to be named is looked at.
const admitEvery = 20 * time.Millisecond

// dial connects to a peer: TCP, TLS and our own handshake, a round trip each.
func (h *host) dial(peer *host) {
	there, back := route(h.place, peer.place), route(peer.place, h.place)
	round := oneWay(there) + oneWay(back)
	if blocked(there) || blocked(back) {
		h.then(dialTimeout, func() { h.refused(peer) })
		return
	}
	h.then(2*round+oneWay(there)+handshakeTime, func() { h.knock(peer, h.sim.now.Add(strangerPatience)) })
}

// dialTimeout is of a host that does not answer.
const dialTimeout = 5 * time.Second

// knock has the peer look whether it knows the host.
func (h *host) knock(peer *host, until unit.Time) {
	s := h.sim
	switch {
	case peer.machine == nil || s.now < peer.banned[h.id] || s.now < h.banned[peer.id] || s.now >= until:
		h.refused(peer)
	case peer.machine.Admits(s.digest, h.id):
		h.connect(peer)
	default:
		h.then(admitEvery, func() { h.knock(peer, until) })
	}
}

// refused tells the machine that a dial failed.
func (h *host) refused(peer *host) {
	h.step(node.PeerDisconnected{Transfer: h.sim.digest, Peer: peer.id})
}

// connect makes a connection; each side hears of it.
func (h *host) connect(peer *host) {
	s := h.sim
	if old := h.conns[peer.id]; old != nil {
		old.conn.open = false
		delete(h.conns, peer.id)
		delete(peer.conns, h.id)
	}
	c := &conn{open: true}
	c.ends[0], c.ends[1] = newStream(s.net, h, peer), newStream(s.net, peer, h)
	c.ends[0].conn, c.ends[1].conn = c, c
	h.conns[peer.id], peer.conns[h.id] = c.ends[0], c.ends[1]
	h.then(oneWay(c.ends[1].path), func() {
		if c.open {
			h.step(node.PeerConnected{Transfer: s.digest, Peer: peer.id, MaxRequest: maxRequest})
		}
	})
	// What the peer sends at once arrives after that.
	peer.step(node.PeerConnected{Transfer: s.digest, Peer: h.id, MaxRequest: maxRequest})
}

// maxRequest is what agents answer at most, in bytes.
const maxRequest = 1 << 20

// hangup closes a connection; the peer hears of it.
func (h *host) hangup(peer unit.NodeID) {
	out := h.conns[peer]
	if out == nil {
		return
	}
	delete(h.conns, peer)
	h.sim.close(out.conn)
	to := out.to
	if back := to.conns[h.id]; back != nil && back.conn == out.conn {
		delete(to.conns, h.id)
		to.later(oneWay(out.path), node.PeerDisconnected{Transfer: h.sim.digest, Peer: h.id})
	}
}

// close ends both streams: what they had to send is lost.
func (s *simulation) close(c *conn) {
	c.open = false
	for _, e := range c.ends {
		e.control, e.blocks, e.kernel, e.unsent, e.sent = nil, nil, nil, 0, 0
	}
}

func sortedKeys[V any](m map[unit.NodeID]V) []unit.NodeID { return slices.Sorted(maps.Keys(m)) }
