package overlay

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/unit"
)

// View is where the node stands: what the swarm divides work by.
type View struct {
	// Highest is the location of the highest group that the node is in. Work
	// division and stealing act there (requirement 26).
	Highest unit.Location
	// Members are the peers of that group, without the node itself.
	Members []Member
	// Peers are all peers of all groups, without the node itself, by name.
	Peers []Peer
	// Short says by depth of which of the node's locations the members give each
	// other so little that more than one copy may come in.
	Short []bool
}

// Peer is a member of one or more of the node's groups.
type Peer struct {
	Member
	// Top is the depth of the highest location in whose group both are.
	Top int
}

// View returns the node's present place in the overlay.
func (o *Overlay) View() View {
	v := View{Highest: o.levels[0].location, Short: make([]bool, len(o.levels))}
	peers := map[unit.NodeID]Peer{}
	for i := range o.levels {
		l := &o.levels[i]
		if !l.joined || !l.seen {
			continue
		}
		v.Short[l.location.Depth()] = l.supply.short
		v.Highest, v.Members = l.location, v.Members[:0:0]
		for _, m := range l.group.Members {
			if m.Node != o.self.Node {
				v.Members = append(v.Members, m)
				peers[m.Node] = Peer{Member: m, Top: l.location.Depth()}
			}
		}
	}
	v.Peers = slices.SortedFunc(maps.Values(peers), func(a, b Peer) int { return cmp.Compare(a.Node, b.Node) })
	return v
}

// Role says in words what the node is in the overlay.
func (o *Overlay) Role() string {
	var of []string
	for i := range o.levels {
		if o.levels[i].slot >= 0 {
			of = append(of, o.levels[i].location.String())
		}
	}
	switch {
	case o.self.Initial:
		return "initial seeder"
	case len(of) > 0:
		return "representative of " + strings.Join(of, ", ")
	case o.self.Complete:
		return "seeder"
	}
	return "member"
}
