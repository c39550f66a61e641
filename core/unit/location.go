package unit

import (
	"fmt"
	"strings"
)

// Location is a place in the network as a path of labels from the root down,
// such as "ams1/rsn-27" (datacenter, then rack). Any depth is allowed
// (requirement 20). The empty location is the root of the network.
type Location string

// Root is the location that contains every other.
const Root Location = ""

// MaxDepth bounds the number of labels in a location.
const MaxDepth = 16

// ParseLocation checks a location: labels of letters, digits, '.', '_' and '-'
// separated by single slashes. The root is written as "" or "/".
func ParseLocation(s string) (Location, error) {
	if s == "" || s == "/" {
		return Root, nil
	}
	labels := strings.Split(s, "/")
	if len(labels) > MaxDepth {
		return "", fmt.Errorf("location %q: %d levels; at most %d are allowed", s, len(labels), MaxDepth)
	}
	for _, label := range labels {
		if err := checkLabel(label); err != nil {
			return "", fmt.Errorf("location %q: label %q: %w; write for example ams1/rsn-27", s, label, err)
		}
	}
	return Location(s), nil
}

// Parent returns the location one level up. The root is its own parent.
func (l Location) Parent() Location {
	i := strings.LastIndexByte(string(l), '/')
	if i < 0 {
		return Root
	}
	return l[:i]
}

// Depth is the number of labels; the root has none.
func (l Location) Depth() int {
	if l == Root {
		return 0
	}
	return 1 + strings.Count(string(l), "/")
}

// Contains reports whether m is l or lies inside it.
func (l Location) Contains(m Location) bool {
	return l == Root || l == m || strings.HasPrefix(string(m), string(l)+"/")
}

// Common returns the deepest location that contains both l and m.
func (l Location) Common(m Location) Location {
	for !l.Contains(m) {
		l = l.Parent()
	}
	return l
}

// Uplinks is how many uplinks lie between l and what it has in common with m: those of
// l's locations that traffic to m crosses.
func (l Location) Uplinks(m Location) int { return l.Depth() - l.Common(m).Depth() }

// Path returns l and everything above it, from l up to the root.
func (l Location) Path() []Location {
	path := make([]Location, 0, l.Depth()+1)
	for ; l != Root; l = l.Parent() {
		path = append(path, l)
	}
	return append(path, Root)
}

// String writes the root as "/".
func (l Location) String() string {
	if l == Root {
		return "/"
	}
	return string(l)
}
