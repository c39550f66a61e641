package scenario

import (
	"math"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// served is until when receivers of a location wanted something: for ever if one did
// not finish, or nothing is known of it.
func (s *Scenario) served(o Observed) map[unit.Location]time.Duration {
	until := map[unit.Location]time.Duration{}
	for _, h := range s.Hosts {
		if !slices.Contains(s.Receivers, h.Node) {
			continue
		}
		finish := time.Duration(math.MaxInt64)
		if n, ok := o.Nodes[h.Node]; ok && n.Finished {
			finish = n.Finish
		}
		for _, l := range h.Location.Path() {
			until[l] = max(until[l], finish)
		}
	}
	return until
}

// demand tells when more is waited for than a direction of a link lets pass.
type demand struct {
	links  map[topo.Hop]history
	served map[unit.Location]time.Duration // until when a location wanted something
}

// waits reports whether in interval i of a direction somebody waits for more: into a
// location while it wants something, out of one while another wants something whose own
// link has room for it.
func (d demand) waits(h topo.Hop, i int) bool {
	from := d.links[h].used[i].from
	if !h.Up {
		return from < d.served[h.Location]
	}
	for other, link := range d.links {
		if other.Up || other.Location.Contains(h.Location) || h.Location.Contains(other.Location) || from >= d.served[other.Location] {
			continue
		}
		if i < len(link.used) && !link.enough(link.used[i]) {
			return true
		}
	}
	return false
}
