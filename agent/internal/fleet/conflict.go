package fleet

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/paths"
)

// findConflict returns an error if another distribution claims d's path, one
// above or one below it, on a node that both select: a known one, or one that
// could join. Content that is being removed holds its path until it is gone.
func findConflict(d api.Distribution, all map[string]api.Distribution, nodes []api.Node) error {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		other := all[name]
		relation := related(other.Path, d.Path)
		if name == d.Name || relation == "" {
			continue
		}
		if shared := both(d.Selector, other.Selector, nodes); len(shared) > 0 {
			return conflict(d, other, relation, "on "+list(shared))
		}
		if couldShare(d.Selector, other.Selector, nodes) {
			return conflict(d, other, relation, "and a node that joins could be selected by both")
		}
	}
	return nil
}

func conflict(d, other api.Distribution, relation, where string) error {
	what := fmt.Sprintf("%s %s %s", d.Path, relation, other.Path)
	if d.Path == other.Path {
		what = d.Path + " is also that"
	}
	e := &api.Error{Code: api.CodeConflict, Subject: "path",
		Message: fmt.Sprintf("%s of distribution %s, %s", what, other.Name, where),
		Fix:     "choose another path, or selectors that exclude each other, such as one label with different values"}
	if other.State == api.StateAbsent {
		e.Fix = "wait until " + other.Name + " is removed from all nodes, or choose another path"
	}
	return e
}

// related says how path p lies to the path q of another distribution, "" if
// neither contains the other.
func related(q, p string) string {
	switch {
	case p == q:
		return "is also"
	case paths.Contains(q, p):
		return "lies inside"
	case paths.Contains(p, q):
		return "contains"
	}
	return ""
}

// both names the known nodes that a and b match.
func both(a, b api.Selector, nodes []api.Node) []string {
	var names []string
	for _, n := range nodes {
		if a.Matches(n) && b.Matches(n) {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// couldShare reports whether a node that is not known yet could match a and b.
// Selectors that name nodes are decided by these nodes if all are known.
func couldShare(a, b api.Selector, nodes []api.Node) bool {
	if !a.Overlaps(b) {
		return false
	}
	named := slices.Concat(a.NodeNames, b.NodeNames)
	if len(named) == 0 {
		return true
	}
	return slices.ContainsFunc(named, func(name string) bool {
		return names(a, name) && names(b, name) &&
			!slices.ContainsFunc(nodes, func(n api.Node) bool { return n.Name == name })
	})
}

// names reports whether the selector's node names admit the name.
func names(s api.Selector, name string) bool {
	return len(s.NodeNames) == 0 || slices.Contains(s.NodeNames, name)
}
