package node

import (
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/unit"
)

// A foreign peer is a client of plain BitTorrent that the caller lets in. The
// overlay does not know it: it stays until it disconnects, and counts as farther
// away than every node. It has no manifest to give, so that it can be of use from
// ContentReady on.

// refuses says why a connection must not stand, "" if it may.
func (t *transfer) refuses(ev PeerConnected) string {
	_, named := t.overlay.Named(ev.Peer)
	switch {
	case ev.Foreign && t.swarm == nil:
		return "the manifest is not known yet"
	case !ev.Foreign && !named:
		return "no group names it"
	}
	return ""
}

// info is what the swarm is told of a connected peer; false if no group names it
// any more.
func (t *transfer) info(peer unit.NodeID) (swarm.PeerInfo, bool) {
	if t.peers[peer].foreign {
		return swarm.PeerInfo{Node: peer, Foreign: true}, true
	}
	record, named := t.overlay.Named(peer)
	return peerInfo(record), named
}
