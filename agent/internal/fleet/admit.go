package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// maxListed bounds what errors list of a fleet.
const maxListed = 12

// Admit returns an error if d cannot stand beside the other distributions in
// this fleet: its selector matches nobody, or another one claims its path.
func Admit(d api.Distribution, all map[string]api.Distribution, nodes []api.Node) error {
	if !d.AllowEmpty && len(targets(d.Selector, nodes)) == 0 {
		return noTargets(d.Selector, nodes)
	}
	return findConflict(d, all, nodes)
}

// targets are the known nodes that the selector matches, alive or not.
func targets(s api.Selector, nodes []api.Node) []api.Node {
	var out []api.Node
	for _, n := range nodes {
		if s.Matches(n) {
			out = append(out, n)
		}
	}
	return out
}

// noTargets says which part of the selector fits nobody, and what there is.
func noTargets(s api.Selector, nodes []api.Node) error {
	fix := "start agents there, set allow_empty to accept it until they join, or choose among " + known(s, nodes)
	if len(nodes) == 0 {
		fix = "start agents, or set allow_empty to accept it until they join"
	}
	return &api.Error{Code: api.CodeNoTargets, Subject: "selector",
		Message: fmt.Sprintf("none of the %d known nodes matches %s", len(nodes), describe(s)), Fix: fix}
}

// known lists the values that the fleet has for the parts that s gives.
func known(s api.Selector, nodes []api.Node) string {
	var parts []string
	add := func(title string, given bool, values func(api.Node) []string) {
		if !given {
			return
		}
		set := map[string]bool{}
		for _, n := range nodes {
			for _, v := range values(n) {
				set[v] = true
			}
		}
		parts = append(parts, title+" "+list(slices.Sorted(maps.Keys(set))))
	}
	add("locations", len(s.Locations) > 0, func(n api.Node) []string { return []string{locationName(n.Location)} })
	add("labels", len(s.Labels) > 0, func(n api.Node) []string { return labelPairs(n.Labels) })
	add("nodes", len(s.NodeNames) > 0, func(n api.Node) []string { return []string{n.Name} })
	return strings.Join(parts, "; ")
}

func describe(s api.Selector) string {
	var parts []string
	if len(s.Locations) > 0 {
		parts = append(parts, "locations "+list(s.Locations))
	}
	if len(s.Labels) > 0 {
		parts = append(parts, "labels "+list(labelPairs(s.Labels)))
	}
	if len(s.NodeNames) > 0 {
		parts = append(parts, "node_names "+list(s.NodeNames))
	}
	if parts == nil {
		return "the selector"
	}
	return strings.Join(parts, " and ")
}

func labelPairs(labels map[string]string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, key+"="+labels[key])
	}
	return out
}

func locationName(l string) string {
	if l == "" {
		return "/"
	}
	return l
}

// list joins values with commas, the first maxListed of them.
func list(values []string) string {
	if len(values) == 0 {
		return "(none)"
	}
	if rest := len(values) - maxListed; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(values[:maxListed], ", "), rest)
	}
	return strings.Join(values, ", ")
}

// inUse returns an error naming the distributions that want the artifact, or
// have the nodes keep it for a rollback. Those whose content is being removed do
// not count.
func inUse(digest string, all []api.Distribution) error {
	var names, kept []string
	for _, d := range all {
		switch {
		case !d.Needs(digest):
		case d.Digest == digest:
			names = append(names, d.Name)
		default:
			kept = append(kept, d.Name)
		}
	}
	slices.Sort(names)
	slices.Sort(kept)
	switch {
	case names != nil:
		return &api.Error{Code: api.CodeInUse, Subject: digest, Message: "wanted by distribution " + list(names),
			Fix: "delete these first, or give them another digest"}
	case kept != nil:
		return &api.Error{Code: api.CodeInUse, Subject: digest, Message: "kept for a rollback of distribution " + list(kept),
			Fix: "take keep_previous from these, or delete them"}
	}
	return nil
}
