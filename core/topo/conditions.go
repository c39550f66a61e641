package topo

import (
	"fmt"
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Conditions are what makes a job differ from one in which all take part from
// the start, over links that do not change. The zero value is that job.
type Conditions struct {
	// Join is when receivers and helpers join that do later than at 0.
	Join map[unit.NodeID]time.Duration
	// Helpers may send and receive, but need not become complete: hosts that are
	// going to fail.
	Helpers []unit.NodeID
	// Capacity is the course of links that change, or of which not everything is
	// spare. It replaces the capacity that the tree has.
	Capacity map[Hop]Course
}

// check looks whether the courses are ones and the links and hosts exist.
func (c Conditions) check(t *Tree) error {
	for hop, course := range c.Capacity {
		if _, ok := t.index(hop.Location, hop.Node); !ok {
			return fmt.Errorf("link %v is not in the topology", hop)
		}
		if len(course) == 0 || course[0].From != 0 {
			return fmt.Errorf("capacity of link %v: has no step at 0", hop)
		}
		for i, step := range course {
			if step.Rate < 0 || course.end(i) <= step.From {
				return fmt.Errorf("capacity of link %v: rates must not be negative, and times must rise", hop)
			}
		}
	}
	for node, join := range c.Join {
		if _, ok := t.hosts[node]; !ok {
			return unknownHost(node)
		}
		if join < 0 {
			return fmt.Errorf("host %s joins at %v, before the start", node, join)
		}
	}
	return nil
}

// index finds a location, or a host if node is not empty.
func (t *Tree) index(loc unit.Location, node unit.NodeID) (int, bool) {
	if node != "" {
		i, ok := t.hosts[node]
		return i, ok
	}
	i, ok := t.locations[loc]
	return i, ok
}

// up and down are the courses of a vertex's link.
func (f *flow) up(i int) Course   { return f.course(i, true) }
func (f *flow) down(i int) Course { return f.course(i, false) }

func (f *flow) course(i int, up bool) Course {
	hop := f.tree.hop(i, up)
	if course, ok := f.conditions.Capacity[hop]; ok {
		return course
	}
	return Constant(f.tree.Capacity(hop))
}

// never is when those join who are not there.
const never = time.Duration(math.MaxInt64)

// firstOutside is when the first of those joins that take part, are not below
// vertex i and do not have the artifact.
func (f *flow) firstOutside(i int) time.Duration {
	first := never
	for h := len(f.tree.locations); h < len(f.tree.vertices); h++ {
		if !f.tree.below(h, i) {
			first = min(first, f.join[h])
		}
	}
	return first
}

// below reports whether vertex i is or is inside vertex of.
func (t *Tree) below(i, of int) bool {
	for i > of { // parents have lower indices
		i = t.vertices[i].parent
	}
	return i == of
}
