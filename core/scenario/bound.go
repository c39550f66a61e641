package scenario

import (
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Bound is the least time in which the distribution can be complete.
func (s *Scenario) Bound() (topo.Bound, error) {
	tree, err := s.Tree()
	if err != nil {
		return topo.Bound{}, fmt.Errorf("network of %s: %w", s.Name, err)
	}
	killed := s.KilledForGood()
	receivers := slices.DeleteFunc(slices.Clone(s.Receivers), func(n unit.NodeID) bool { return killed[n] })
	return tree.Bound(topo.Job{Size: s.Artifact.Size, Initial: s.Initial, Receivers: receivers})
}
