package overlay

import "github.com/rackswarm/rackswarm/core/unit"

// Member is a node's record in a group: the peers that serve one transfer at
// one location. It is what the coordination store keeps, under a lease.
type Member struct {
	Node     unit.NodeID   `json:"node"`
	Addr     string        `json:"addr"`     // host:port for data
	Location unit.Location `json:"location"` // the node's own, not the group's
	Initial  bool          `json:"initial,omitempty"`
	Complete bool          `json:"complete,omitempty"` // has everything: a seeder
	// Permille of the artifact that the node has, refreshed now and then.
	Permille int `json:"permille"`
	// Starving: what the members of the group's location have, and it lacks, they
	// give it so slowly that it wants more to come in from outside. In the groups
	// above: that is so below, and it passes little on to others.
	Starving bool `json:"starving,omitempty"`
	// Limit is the lower of its limits on what it fetches and gives, in bytes
	// per second; 0 is none.
	Limit unit.Rate `json:"limit,omitempty"`
	// Distrusts are members of the group whose wrong bytes the node has seen itself,
	// by name: it takes nothing from them.
	Distrusts []unit.NodeID `json:"distrusts,omitempty"`
}

// Group is a snapshot of the members of a location, and of who holds its
// representative slots: Slots[i] is the holder of slot i, "" if free.
type Group struct {
	Location unit.Location
	Version  int64
	Members  []Member // sorted by Node
	Slots    []unit.NodeID
}
