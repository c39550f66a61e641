package topo

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Job is a distribution to be bounded: Size bytes that the Initial seeders have,
// wanted by Receivers. An initial seeder among the receivers has it already.
type Job struct {
	Size      unit.Bytes
	Initial   []unit.NodeID
	Receivers []unit.NodeID
}

// Cut is the kind of bottleneck that a term of the bound speaks of.
type Cut uint8

// The kinds of cut; the package's documentation derives them.
const (
	Into   Cut = iota // one copy enters a place that has none
	OutOf             // one copy leaves the place of the initial seeders
	Within            // all copies that the children of a location send each other
)

// String writes the kind as it reads in a sentence.
func (c Cut) String() string {
	return [...]string{"into", "out of", "within"}[c]
}

// Term says that Bytes must pass a cut, which they can from the time From on, at
// Rate: not before Time have they.
type Term struct {
	Cut      Cut
	Location unit.Location
	Node     unit.NodeID // the cut is this host's own link; empty for a location
	Bytes    unit.Bytes
	From     time.Duration // zero unless all who need them join later
	Rate     unit.Rate     // capacity on the wire, bytes per second; the mean if it changes
	Time     time.Duration // since the start; 2⁶³−1 if they never have
}

// String writes what must pass, where, and how fast it can, such as
// "165.0 MiB into ams/b-5 at 1.2 MiB/s".
func (t Term) String() string {
	place := t.Location.String()
	if t.Node != "" {
		place = string(t.Node)
	}
	return fmt.Sprintf("%s %s %s at %s", t.Bytes, t.Cut, place, t.Rate)
}

// Bound is the least time in which a distribution can be complete.
type Bound struct {
	Time time.Duration // the first term's; zero without terms
	// Terms are all cuts, the tightest first.
	Terms []Term
}

// Bound returns the lower bound of a job over the tree. A job without initial
// seeder, of negative size, or with a host that is not in the tree is an error.
func (t *Tree) Bound(j Job) (Bound, error) { return t.BoundUnder(j, Conditions{}) }

// BoundUnder is Bound under conditions. A link that is not in the tree, and a
// course that is none, are errors, too.
func (t *Tree) BoundUnder(j Job, c Conditions) (Bound, error) {
	flow, err := t.flow(j, c)
	if err != nil {
		return Bound{}, err
	}
	var terms []Term
	for i := range t.vertices {
		terms = flow.append(terms, i)
	}
	return NewBound(terms), nil
}

// NewBound is the bound that the largest of the terms makes. It sorts them.
func NewBound(terms []Term) Bound {
	slices.SortStableFunc(terms, func(a, b Term) int { return cmp.Compare(b.Time, a.Time) })
	if len(terms) == 0 {
		return Bound{}
	}
	return Bound{Time: terms[0].Time, Terms: terms}
}

// flow is what a job asks of each vertex, by index into the tree's vertices.
type flow struct {
	tree                *Tree
	size                unit.Bytes
	conditions          Conditions
	initial, receivers  []int           // hosts below the vertex
	helpers             []int           // at hosts only
	join                []time.Duration // when the first below the vertex joins that has nothing yet
	out                 []Course        // Û: what those below can send out together
	children            []Course        // Σ Û of the children
	needy               []int           // children with receivers and without initial seeder
	needyJoin           []time.Duration // when the first in one of these joins
	allInitial, allRecv int
}

func (t *Tree) flow(j Job, c Conditions) (*flow, error) {
	if j.Size < 0 {
		return nil, fmt.Errorf("size %d is negative", j.Size)
	}
	if len(j.Initial) == 0 {
		return nil, fmt.Errorf("a distribution needs an initial seeder")
	}
	if err := c.check(t); err != nil {
		return nil, err
	}
	n := len(t.vertices)
	f := &flow{tree: t, size: j.Size, conditions: c, initial: make([]int, n), receivers: make([]int, n), helpers: make([]int, n),
		join: slices.Repeat([]time.Duration{never}, n), needyJoin: slices.Repeat([]time.Duration{never}, n),
		out: make([]Course, n), children: slices.Repeat([]Course{Constant(0)}, n), needy: make([]int, n)}
	if err := f.mark(f.initial, j.Initial, nil); err != nil {
		return nil, err
	}
	if err := f.mark(f.receivers, j.Receivers, f.initial); err != nil {
		return nil, err
	}
	if err := f.mark(f.helpers, c.Helpers, f.initial); err != nil {
		return nil, err
	}
	f.sumUp()
	f.allInitial, f.allRecv = f.initial[0], f.receivers[0]
	return f, nil
}

// mark sets role[i] to 1 for the named hosts that except does not have.
func (f *flow) mark(role []int, nodes []unit.NodeID, except []int) error {
	for _, node := range nodes {
		i, ok := f.tree.hosts[node]
		if !ok {
			return unknownHost(node)
		}
		if except == nil || except[i] == 0 {
			role[i] = 1
		}
	}
	return nil
}

// sumUp adds every vertex to its parent, leaves first.
func (f *flow) sumUp() {
	for i := len(f.tree.vertices) - 1; i >= 0; i-- {
		if v := f.tree.vertices[i]; v.node == "" {
			f.out[i] = merge(f.up(i), f.children[i], lesser)
		} else {
			f.host(i)
		}
		if i == 0 {
			return
		}
		f.addTo(f.tree.vertices[i].parent, i)
	}
}

// host sets what a host sends, and when it joins.
func (f *flow) host(i int) {
	f.out[i] = Constant(0)
	wants := f.receivers[i]+f.helpers[i] > 0
	if f.initial[i] > 0 || wants {
		f.out[i] = f.up(i)
	}
	if wants {
		f.join[i] = f.conditions.Join[f.tree.vertices[i].node]
	}
}

func (f *flow) addTo(parent, i int) {
	f.initial[parent] += f.initial[i]
	f.receivers[parent] += f.receivers[i]
	f.join[parent] = min(f.join[parent], f.join[i])
	f.children[parent] = merge(f.children[parent], f.out[i], addRate)
	if f.receivers[i] > 0 && f.initial[i] == 0 {
		f.needy[parent]++
		f.needyJoin[parent] = min(f.needyJoin[parent], f.join[i])
	}
}

// append adds the terms of vertex i: at most one over its uplink, and one
// between its children.
func (f *flow) append(terms []Term, i int) []Term {
	v := f.tree.vertices[i]
	leaving := f.initial[i] == f.allInitial && f.receivers[i] < f.allRecv
	wanted, from := f.needy[i], f.needyJoin[i]
	switch {
	case f.receivers[i] > 0 && f.initial[i] == 0:
		terms = append(terms, f.term(Into, v, 1, f.join[i], f.down(i)))
	case leaving:
		outside := f.firstOutside(i)
		terms = append(terms, f.term(OutOf, v, 1, outside, f.out[i]))
		wanted, from = wanted+1, min(from, outside)
	}
	if v.node != "" || wanted == 0 {
		return terms
	}
	capacity := f.children[i]
	if i != 0 {
		capacity = merge(capacity, f.down(i), addRate)
	}
	return append(terms, f.term(Within, v, wanted, from, capacity))
}

func (f *flow) term(c Cut, v vertex, n int, from time.Duration, capacity Course) Term {
	bytes := copies(n, f.size)
	end := capacity.until(bytes, from)
	return Term{c, v.location, v.node, bytes, from, capacity.mean(bytes, from, end), end}
}
