package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// forever is the end of what lasts.
const forever = time.Duration(math.MaxInt64)

// Bound is the least time in which all receivers, but those that a fault kills
// for good, can have everything; core/topo derives it. Times count from the start,
// those of joining included. Capacities are what is spare at each time:
//
//   - link and slow faults set them from their time on;
//   - of that, the reserve and the background's rates are taken off;
//   - nothing passes while a location is cut off, or a host's agent is dead;
//   - no host moves anything while the artifact's window is closed.
//
// What else is distributed counts for nothing.
//
// A host that moves may carry bytes with it, past the links. So what passes in,
// out of and within the locations that it leaves and enters, and those above, is
// only bounded until it moves.
//
// The bound is 2⁶³−1 ns if links are cut, or full of background, for good.
func (s *Scenario) Bound() (topo.Bound, error) {
	tree, err := s.Tree()
	if err != nil {
		return topo.Bound{}, fmt.Errorf("network of %s: %w", s.Name, err)
	}
	links, err := s.links(tree)
	if err != nil {
		return topo.Bound{}, err
	}
	job := topo.Job{Size: s.Artifact.Size, Initial: s.Initial}
	conditions := topo.Conditions{Join: map[unit.NodeID]time.Duration{}, Capacity: links.courses(s.reserve())}
	killed := s.KilledForGood()
	for i, node := range s.Receivers {
		if killed[node] {
			conditions.Helpers = append(conditions.Helpers, node)
		} else {
			job.Receivers = append(job.Receivers, node)
		}
		conditions.Join[node] = s.Join[i]
	}
	b, err := tree.BoundUnder(job, conditions)
	if err != nil {
		return topo.Bound{}, fmt.Errorf("bound of %s: %w", s.Name, err)
	}
	return s.untilMoves(b), nil
}

func (s *Scenario) reserve() float64 {
	if s.Bandwidth == nil {
		return 0
	}
	return s.Bandwidth.Reserve
}

// untilMoves takes back what does not hold once hosts have moved.
func (s *Scenario) untilMoves(b topo.Bound) topo.Bound {
	at := map[unit.NodeID]unit.Location{}
	for _, h := range s.Hosts {
		at[h.Node] = h.Location
	}
	for _, f := range s.Faults {
		if f.Action != Move {
			continue
		}
		for i := range b.Terms {
			if t := &b.Terms[i]; carriedPast(*t, at[f.Node], f.To) {
				t.Time = min(t.Time, f.At)
			}
		}
		at[f.Node] = f.To
	}
	return topo.NewBound(b.Terms)
}

// carriedPast reports whether a host that moves between two locations may carry
// past the term's cut what the term counts.
func carriedPast(t topo.Term, from, to unit.Location) bool {
	leaves, enters := t.Location.Contains(from), t.Location.Contains(to)
	if t.Node != "" {
		return false
	}
	if t.Cut == topo.Into {
		return leaves != enters
	}
	return leaves || enters
}

// links gathers what happens to each direction of each link.
type links map[topo.Hop]*link

type link struct {
	capacity topo.Course
	taken    []taking
}

// taking is a rate that others have of a link for a time: Unlimited if nothing
// passes.
type taking struct {
	from, to time.Duration
	rate     unit.Rate
}

func (s *Scenario) links(tree *topo.Tree) (links, error) {
	all := links{}
	for _, l := range s.Locations {
		all.add(topo.Hop{Location: l.Location}, l.Uplink)
	}
	for _, h := range s.Hosts {
		all.add(topo.Hop{Location: h.Location, Node: h.Node}, h.Link)
	}
	for _, flow := range s.Background {
		if err := all.flow(tree, flow); err != nil {
			return nil, fmt.Errorf("background of %s: %w", s.Name, err)
		}
	}
	all.faults(s, tree)
	if s.Window.Opens > 0 {
		for _, h := range s.Hosts {
			all.shut(topo.Hop{Location: h.Location, Node: h.Node}, s.Window.Closes, s.Window.Opens)
		}
	}
	return all, nil
}

func (l links) add(hop topo.Hop, capacity topo.Link) {
	hop.Up = true
	l[hop] = &link{capacity: topo.Constant(capacity.Up)}
	hop.Up = false
	l[hop] = &link{capacity: topo.Constant(capacity.Down)}
}

// flow takes a flow's rate, or what the narrowest link lets pass of it, from all
// links on its way.
func (l links) flow(tree *topo.Tree, f Flow) error {
	path, err := tree.Path(f.From, f.To)
	if err != nil {
		return err
	}
	rate := f.Rate
	for _, hop := range path {
		rate = min(rate, tree.Capacity(hop))
	}
	for _, hop := range path {
		l[hop].taken = append(l[hop].taken, taking{f.Start, cmp.Or(f.Stop, forever), rate})
	}
	return nil
}

func (l links) faults(s *Scenario, tree *topo.Tree) {
	killed := map[unit.NodeID]time.Duration{}
	for _, f := range s.Faults {
		switch f.Action {
		case SetLink:
			l.set(topo.Hop{Location: f.Location, Up: true}, f.At, f.Link.Up)
			l.set(topo.Hop{Location: f.Location}, f.At, f.Link.Down)
		case Slow:
			l.set(hostHop(tree, f.Node, true), f.At, f.Rate)
		case Partition:
			end := forever
			if f.For > 0 && f.For < forever-f.At {
				end = f.At + f.For
			}
			l.shut(topo.Hop{Location: f.Location}, f.At, end)
		case Kill:
			killed[f.Node] = f.At
		case Start:
			l.shut(hostHop(tree, f.Node, false), killed[f.Node], f.At)
			delete(killed, f.Node)
		}
	}
	for node, at := range killed {
		l.shut(hostHop(tree, node, false), at, forever)
	}
}

func hostHop(tree *topo.Tree, node unit.NodeID, up bool) topo.Hop {
	h, _ := tree.Host(node)
	return topo.Hop{Location: h.Location, Node: node, Up: up}
}

// set changes a capacity from at on. Calls come in the order of time.
func (l links) set(hop topo.Hop, at time.Duration, rate unit.Rate) {
	link := l[hop]
	last := len(link.capacity) - 1
	if link.capacity[last].From == at {
		link.capacity = link.capacity[:last]
	}
	link.capacity = append(link.capacity, topo.Step{From: at, Rate: rate})
}

// shut lets nothing pass either way for a time.
func (l links) shut(hop topo.Hop, from, to time.Duration) {
	for _, hop.Up = range []bool{true, false} {
		l[hop].taken = append(l[hop].taken, taking{from, to, unit.Unlimited})
	}
}

// courses are what is spare of each link.
func (l links) courses(reserve float64) map[topo.Hop]topo.Course {
	courses := make(map[topo.Hop]topo.Course, len(l))
	for hop, link := range l {
		courses[hop] = link.spare(reserve)
	}
	return courses
}

func (l *link) spare(reserve float64) topo.Course {
	var course topo.Course
	for _, at := range l.changes() {
		course = append(course, topo.Step{From: at, Rate: l.at(at, reserve)})
	}
	return course
}

// changes are the times at which the capacity changes or somebody's use of it, from
// 0 on.
func (l *link) changes() []time.Duration {
	times := map[time.Duration]bool{}
	for _, step := range l.capacity {
		times[step.From] = true
	}
	for _, t := range l.taken {
		times[t.from], times[t.to] = true, true
	}
	delete(times, forever)
	return slices.Sorted(maps.Keys(times))
}

func (l *link) capacityAt(now time.Duration) (capacity unit.Rate) {
	for _, step := range l.capacity {
		if step.From <= now {
			capacity = step.Rate
		}
	}
	return capacity
}

// takenAt reports whether others have something of it.
func (l *link) takenAt(now time.Duration) bool {
	return slices.ContainsFunc(l.taken, func(t taking) bool { return t.from <= now && now < t.to })
}

// at is what is spare at a time.
func (l *link) at(now time.Duration, reserve float64) unit.Rate {
	capacity := l.capacityAt(now)
	spare := capacity
	if capacity != unit.Unlimited {
		spare = unit.Rate(math.Round(float64(capacity) * (1 - reserve)))
	}
	for _, t := range l.taken {
		switch {
		case now < t.from || now >= t.to:
		case t.rate == unit.Unlimited:
			return 0
		case spare != unit.Unlimited:
			spare = max(spare-t.rate, 0)
		}
	}
	return spare
}
