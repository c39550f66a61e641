package cli

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/paths"
)

// refusingNodes are the names of the known nodes that a distribution selects and whose
// roots do not hold its path. It is an error if that is all of them. Nodes that do not
// tell their roots refuse nothing.
func refusingNodes(ctx context.Context, c *client.Client, d api.Distribution) (names []string, err error) {
	if !path.IsAbs(d.Path) {
		return nil, nil // the agent says what is wrong
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	targets := 0
	var roots []string
	for _, n := range nodes {
		if !n.Alive || !d.Selector.Matches(n) {
			continue
		}
		if targets++; len(n.Roots) > 0 && !slices.ContainsFunc(n.Roots, func(root string) bool { return below(d.Path, root) }) {
			names, roots = append(names, n.Name), append(roots, n.Roots...)
		}
	}
	if targets == 0 || len(names) < targets {
		return names, nil
	}
	slices.Sort(roots)
	return nil, &api.Error{Code: api.CodeOutsideRoots, Subject: d.Path,
		Message: fmt.Sprintf("the path is inside no allowed root of %s; allowed: %s", few(names), few(slices.Compact(roots))),
		Fix:     "choose a path below one of these, or add a root to roots in agent.yaml of these nodes and restart their agents"}
}

// below reports whether a path lies inside a root, and is not the root itself.
func below(p, root string) bool { return paths.Contains(root, p) && !paths.Contains(p, root) }
