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

// Term says that Bytes must pass a cut that lets Rate pass, which takes Time.
type Term struct {
	Cut      Cut
	Location unit.Location
	Node     unit.NodeID // the cut is this host's own link; empty for a location
	Bytes    unit.Bytes
	Rate     unit.Rate     // capacity on the wire, bytes per second
	Time     time.Duration // of the payload; 2⁶³−1 if the rate is zero
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
func (t *Tree) Bound(j Job) (Bound, error) {
	flow, err := t.flow(j)
	if err != nil {
		return Bound{}, err
	}
	var terms []Term
	for i := range t.vertices {
		terms = flow.append(terms, i)
	}
	slices.SortStableFunc(terms, func(a, b Term) int { return cmp.Compare(b.Time, a.Time) })
	if len(terms) == 0 {
		return Bound{}, nil
	}
	return Bound{Time: terms[0].Time, Terms: terms}, nil
}

// flow is what a job asks of each vertex, by index into the tree's vertices.
type flow struct {
	tree                *Tree
	size                unit.Bytes
	initial, receivers  []int       // hosts below the vertex
	out                 []unit.Rate // Û: what those below can send out together
	children            []unit.Rate // Σ Û of the children
	needy               []int       // children with receivers and without initial seeder
	allInitial, allRecv int
}

func (t *Tree) flow(j Job) (*flow, error) {
	if j.Size < 0 {
		return nil, fmt.Errorf("size %d is negative", j.Size)
	}
	if len(j.Initial) == 0 {
		return nil, fmt.Errorf("a distribution needs an initial seeder")
	}
	n := len(t.vertices)
	f := &flow{tree: t, size: j.Size, initial: make([]int, n), receivers: make([]int, n),
		out: make([]unit.Rate, n), children: make([]unit.Rate, n), needy: make([]int, n)}
	if err := f.mark(f.initial, j.Initial, nil); err != nil {
		return nil, err
	}
	if err := f.mark(f.receivers, j.Receivers, f.initial); err != nil {
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
		v := f.tree.vertices[i]
		switch {
		case v.node == "":
			f.out[i] = min(v.link.Up, f.children[i])
		case f.initial[i]+f.receivers[i] > 0:
			f.out[i] = v.link.Up
		}
		if i == 0 {
			return
		}
		f.initial[v.parent] += f.initial[i]
		f.receivers[v.parent] += f.receivers[i]
		f.children[v.parent] = addRate(f.children[v.parent], f.out[i])
		if f.receivers[i] > 0 && f.initial[i] == 0 {
			f.needy[v.parent]++
		}
	}
}

// append adds the terms of vertex i: at most one over its uplink, and one
// between its children.
func (f *flow) append(terms []Term, i int) []Term {
	v := f.tree.vertices[i]
	leaving := f.initial[i] == f.allInitial && f.receivers[i] < f.allRecv
	switch {
	case f.receivers[i] > 0 && f.initial[i] == 0:
		terms = append(terms, f.term(Into, v, 1, v.link.Down))
	case leaving:
		terms = append(terms, f.term(OutOf, v, 1, f.out[i]))
	}
	wanted := f.needy[i]
	if leaving {
		wanted++
	}
	if v.node != "" || wanted == 0 {
		return terms
	}
	rate := f.children[i]
	if i != 0 {
		rate = addRate(rate, v.link.Down)
	}
	return append(terms, f.term(Within, v, wanted, rate))
}

func (f *flow) term(c Cut, v vertex, n int, rate unit.Rate) Term {
	bytes := copies(n, f.size)
	return Term{c, v.location, v.node, bytes, rate, payloadTime(bytes, rate)}
}
