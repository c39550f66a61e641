package fleet

import (
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// seconds is from the first start to the last installation, 0 if there is none.
func seconds(nodes []api.NodeStatus) float64 {
	var first, last time.Time
	for _, r := range nodes {
		if r.StartedAt != nil && (first.IsZero() || r.StartedAt.Before(first)) {
			first = *r.StartedAt
		}
		if r.InstalledAt != nil && r.InstalledAt.After(last) {
			last = *r.InstalledAt
		}
	}
	if first.IsZero() || !last.After(first) {
		return 0
	}
	return last.Sub(first).Seconds()
}

// measure fills in what the transfer has cost, for an artifact of size bytes.
func measure(s *api.Summary, size int64, nodes []api.NodeStatus) {
	entered := map[unit.Location]int64{}
	var seeder int64
	for _, r := range nodes {
		seeder += r.Received.Seeder
		addEntered(entered, unit.Location(r.Location), r.Received.ByLevel)
	}
	s.SeedingRatio = ratio(seeder, size)
	s.UplinkCopies = map[string]float64{}
	for l, bytes := range entered {
		s.UplinkCopies[string(l)] = ratio(bytes, size)
		if l.Depth() == 1 {
			s.CrossBytes += bytes
		}
	}
}

// addEntered adds what a node at l received to each location below the root
// that the node is in and the sender was not: a location of depth k is entered
// by what came from senders with fewer than k labels in common.
func addEntered(entered map[unit.Location]int64, l unit.Location, byLevel []int64) {
	for ; l != unit.Root; l = l.Parent() {
		for _, bytes := range byLevel[:min(l.Depth(), len(byLevel))] {
			entered[l] += bytes
		}
		entered[l] += 0 // locations that nothing entered are listed too
	}
}

func ratio(bytes, size int64) float64 {
	if size <= 0 {
		return 0
	}
	return float64(bytes) / float64(size)
}
