package api

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Matches reports whether the selector chooses the node. Locations that do not
// parse match nobody.
func (s Selector) Matches(n Node) bool {
	return s.matchesLocation(n.Location) && s.matchesLabels(n.Labels) &&
		(len(s.NodeNames) == 0 || slices.Contains(s.NodeNames, n.Name))
}

func (s Selector) matchesLocation(location string) bool {
	at, err := unit.ParseLocation(location)
	if err != nil {
		return false
	}
	return len(s.Locations) == 0 || slices.ContainsFunc(s.Locations, func(l string) bool {
		in, err := unit.ParseLocation(l)
		return err == nil && in.Contains(at)
	})
}

func (s Selector) matchesLabels(labels map[string]string) bool {
	for key, want := range s.Labels {
		if got, ok := labels[key]; !ok || got != want {
			return false
		}
	}
	return true
}

// Overlaps reports whether there could be a node, today or later, that both
// selectors choose.
func (s Selector) Overlaps(o Selector) bool {
	return overlapNames(s.NodeNames, o.NodeNames) && overlapLocations(s.Locations, o.Locations) &&
		overlapLabels(s.Labels, o.Labels)
}

func overlapNames(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 ||
		slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
}

func overlapLocations(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	for _, x := range a {
		for _, y := range b {
			p, errP := unit.ParseLocation(x)
			q, errQ := unit.ParseLocation(y)
			if errP == nil && errQ == nil && (p.Contains(q) || q.Contains(p)) {
				return true
			}
		}
	}
	return false
}

func overlapLabels(a, b map[string]string) bool {
	for key, value := range a {
		if other, ok := b[key]; ok && other != value {
			return false
		}
	}
	return true
}

// Equal reports whether both selectors are written alike, in any order.
func (s Selector) Equal(o Selector) bool {
	return sameSet(s.Locations, o.Locations) && sameSet(s.NodeNames, o.NodeNames) && maps.Equal(s.Labels, o.Labels)
}

func sameSet(a, b []string) bool {
	return slices.Equal(sortedSet(a), sortedSet(b))
}

func sortedSet(a []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(a)))
}

// Validate checks the selector's syntax. The error is an *Error whose subject
// is the field, such as "selector.locations[0]".
func (s Selector) Validate() error {
	for i, l := range s.Locations {
		if _, err := unit.ParseLocation(l); err != nil {
			return invalid(fmt.Sprintf("selector.locations[%d]", i), err.Error(), "use labels separated by single slashes")
		}
	}
	for i, name := range s.NodeNames {
		if _, err := unit.ParseNodeID(name); err != nil {
			return invalid(fmt.Sprintf("selector.node_names[%d]", i), fmt.Sprintf("%q is not a node name", name), errors.Unwrap(err).Error())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		if key == "" {
			return invalid("selector.labels", "a label without a name", "write name = value")
		}
	}
	return nil
}
