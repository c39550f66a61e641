package restore

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// place chooses the nodes that keep a backup: alive, matched by the selector,
// spread over locations as far as they go, the source only if there are not
// enough others. The same fleet gives the same nodes.
func place(c api.Copies, nodes []api.Node, source string) ([]string, error) {
	var free []api.Node
	for _, n := range nodes {
		if n.Alive && c.Selector.Matches(n) {
			free = append(free, n)
		}
	}
	if len(free) < c.Count {
		return nil, &api.Error{Code: api.CodeNoTargets, Subject: "copies.count",
			Message: fmt.Sprintf("%d copies are asked for, and copies.selector chooses %d nodes that are up", c.Count, len(free)),
			Fix:     "ask for fewer copies, or choose more nodes"}
	}
	slices.SortFunc(free, func(a, b api.Node) int { return cmp.Compare(a.Name, b.Name) })
	var chosen []api.Node
	for len(chosen) < c.Count {
		i := farthest(free, chosen, source)
		chosen = append(chosen, free[i])
		free = slices.Delete(free, i, i+1)
	}
	var names []string
	for _, n := range chosen {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names, nil
}

// farthest is the index of the node that shares least with the chosen ones: the
// shallower the location in common, the less burns down together.
func farthest(free, chosen []api.Node, source string) int {
	best := 0
	for i := range free {
		if nearer := slices.Compare(nearness(free[i], chosen, source), nearness(free[best], chosen, source)); nearer < 0 {
			best = i
		}
	}
	return best
}

// nearness ranks a candidate; less is better: not the source, little in common
// with the nearest one chosen, few chosen as near as that.
func nearness(n api.Node, chosen []api.Node, source string) []int {
	rank := []int{0, -1, 0}
	if n.Name == source {
		rank[0] = 1
	}
	for _, c := range chosen {
		switch depth := unit.Location(n.Location).Common(unit.Location(c.Location)).Depth(); {
		case depth > rank[1]:
			rank[1], rank[2] = depth, 1
		case depth == rank[1]:
			rank[2]++
		}
	}
	return rank
}
