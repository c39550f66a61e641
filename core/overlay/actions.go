package overlay

import "github.com/rackswarm/rackswarm/core/unit"

// Action is something that the caller does for the overlay.
type Action interface{ isAction() }

// Join writes the node's record into the group of a location, or refreshes it.
type Join struct {
	Location unit.Location
	Member   Member
}

// Leave takes the node's record and its slot out of a group.
type Leave struct{ Location unit.Location }

// Claim asks for one of the representative slots of a location, or renews the
// slot that the node holds. The answer comes back through Claimed.
type Claim struct {
	Location unit.Location
	Slots    int
}

// Connect dials a peer.
type Connect struct{ Peer Member }

// Disconnect closes the connection to a peer that the overlay names no longer.
type Disconnect struct{ Peer unit.NodeID }

func (Join) isAction()       {}
func (Leave) isAction()      {}
func (Claim) isAction()      {}
func (Connect) isAction()    {}
func (Disconnect) isAction() {}
