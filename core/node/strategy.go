package node

import "github.com/rackswarm/rackswarm/core/swarm"

// Strategy switches parts of the logic off, or replaces it, to measure what each
// gains. All nodes of a transfer are to have the same one. The zero Strategy is
// DefaultStrategy.
type Strategy struct {
	// Overlay: locations have groups, and only representatives connect outward.
	// Otherwise all nodes of a transfer are in one group, connect to each other and
	// know no locations.
	Overlay bool
	// Division, Stealing, LowLatency and Picker are those of swarm.Strategy.
	Division, Stealing, LowLatency bool
	Picker                         swarm.Picker
}

// DefaultStrategy is our own logic, all of it.
func DefaultStrategy() Strategy {
	s := swarm.DefaultStrategy()
	return Strategy{Overlay: true, Division: s.Division, Stealing: s.Stealing, LowLatency: s.LowLatency, Picker: s.Picker}
}

func (s Strategy) swarm() swarm.Strategy {
	return swarm.Strategy{Division: s.Division, Stealing: s.Stealing, LowLatency: s.LowLatency, Picker: s.Picker}
}
