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

// StepTime is how long a step of the background is told apart in what probes saw.
const StepTime = 1500 * time.Millisecond

// NearStep reports whether a time is within StepTime after the background changed,
// or a link did.
func (s *Scenario) NearStep(at time.Duration) bool {
	near := func(step time.Duration) bool { return at >= step && at < step+StepTime }
	return slices.ContainsFunc(s.Background, func(f Flow) bool { return near(f.Start) || f.Stop > 0 && near(f.Stop) }) ||
		slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Action == SetLink && near(f.At) })
}

// floor is what may be used of a link however much others use, as long as nobody
// knows better, or the reserve and others leave less.
func floor(capacity unit.Rate) unit.Rate { return min(1e6, capacity/50) }

// followed fills in what passed the uplinks over time, and how we followed what
// others left of them.
func (s *Scenario) followed(r *Report, o Observed) error {
	tree, err := s.Tree()
	if err != nil {
		return err
	}
	links, err := s.links(tree)
	if err != nil {
		return err
	}
	all := map[topo.Hop]history{}
	for loc := range o.Links {
		for _, up := range []bool{true, false} {
			hop := topo.Hop{Location: loc, Up: up}
			if links[hop] == nil {
				return fmt.Errorf("report of %s: there is no location %s", s.Name, loc)
			}
			all[hop] = history{links[hop], s.reserve(), uses(o.Links[loc], up)}
		}
	}
	demand := demand{all, s.served(o)}
	for _, loc := range slices.Sorted(maps.Keys(o.Links)) {
		up, down := topo.Hop{Location: loc, Up: true}, topo.Hop{Location: loc}
		r.Links[loc] = LinkReport{Up: all[up].report(), Down: all[down].report()}
		if s.Bandwidth != nil {
			r.Steps = append(append(r.Steps, demand.steps(up)...), demand.steps(down)...)
		}
	}
	slices.SortFunc(r.Steps, compareSteps)
	return nil
}

// served is until when receivers of a location wanted something: for ever if one did
// not finish, or nothing is known of it.
func (s *Scenario) served(o Observed) map[unit.Location]time.Duration {
	until := map[unit.Location]time.Duration{}
	for _, h := range s.Hosts {
		if !slices.Contains(s.Receivers, h.Node) {
			continue
		}
		finish := time.Duration(math.MaxInt64)
		if n, ok := o.Nodes[h.Node]; ok && n.Finished {
			finish = n.Finish
		}
		for _, l := range h.Location.Path() {
			until[l] = max(until[l], finish)
		}
	}
	return until
}

// demand tells when more is waited for than a direction of a link lets pass.
type demand struct {
	links  map[topo.Hop]history
	served map[unit.Location]time.Duration // until when a location wanted something
}

// waits reports whether in interval i of a direction somebody waits for more: into a
// location while it wants something, out of one while another wants something whose own
// link has room for it.
func (d demand) waits(h topo.Hop, i int) bool {
	from := d.links[h].used[i].from
	if !h.Up {
		return from < d.served[h.Location]
	}
	for other, link := range d.links {
		if other.Up || other.Location.Contains(h.Location) || h.Location.Contains(other.Location) || from >= d.served[other.Location] {
			continue
		}
		if i < len(link.used) && !link.enough(link.used[i]) {
			return true
		}
	}
	return false
}

// use is what passed a direction of a link from one time to another, in bytes per
// second.
type use struct {
	from, to    time.Duration
	ours, total float64
}

// uses are the intervals that have a length.
func uses(all []LinkInterval, up bool) []use {
	var list []use
	var last time.Duration
	for _, i := range all {
		ours, total := i.Ours.Down, i.All.Down
		if up {
			ours, total = i.Ours.Up, i.All.Up
		}
		if seconds := (i.End - last).Seconds(); seconds > 0 {
			list = append(list, use{last, i.End, float64(ours) / seconds, float64(total) / seconds})
		}
		last = i.End
	}
	return list
}

// history is what a direction of a link had, and what was used of it.
type history struct {
	*link
	reserve float64
	used    []use
}

func (h history) report() DirectionReport {
	d := DirectionReport{Capacity: []Point{}, Limit: []Point{}, Use: make([]UsePoint, len(h.used)), Over: h.over().Seconds()}
	for _, step := range h.capacity {
		if step.Rate != unit.Unlimited {
			at, bits := step.From.Seconds(), 8*float64(step.Rate)
			d.Capacity = append(d.Capacity, Point{at, bits})
			d.Limit = append(d.Limit, Point{at, bits * (1 - h.reserve)})
		}
	}
	for i, u := range h.used {
		d.Use[i] = UsePoint{u.to.Seconds(), 8 * u.ours, 8 * max(u.total-u.ours, 0)}
	}
	return d
}

// overSlack is by how much, as a share, a limit may be passed before it counts:
// intervals are short, and packets come in groups.
const overSlack = 0.02

// over is the longest time without a break in which only we used the link, and it
// was above capacity less reserve.
func (h history) over() (longest time.Duration) {
	var now time.Duration
	for _, u := range h.used {
		limit := min(h.capacityAt(u.from), h.capacityAt(u.to))
		if h.takenAt(u.from) || h.takenAt(u.to) || limit == unit.Unlimited || u.total <= (1-h.reserve)*float64(limit)*(1+overSlack) {
			now = 0
			continue
		}
		now += u.to - u.from
		longest = max(longest, now)
	}
	return longest
}

// left is what was left for us at a time, at least the floor.
func (h history) left(at time.Duration) unit.Rate {
	capacity := h.capacityAt(at)
	if capacity == unit.Unlimited {
		return capacity
	}
	return max(floor(capacity), h.at(at, h.reserve))
}

// Shares of what is left: followed is a use up to withinLimit of less, or from
// usedEnough of more on, which only those follow who used wasLimited of what they
// had before.
const (
	withinLimit = 1.05
	usedEnough  = 0.9
	wasLimited  = 0.75
)

// enough reports whether in an interval nearly all was used that was left.
func (h history) enough(u use) bool { return u.ours >= usedEnough*float64(h.left(u.from)) }

// leastFollow is the least time that a step has to be followed in.
const leastFollow = time.Second

// steps are the changes of what is left of a direction, with how they were followed.
func (d demand) steps(hop topo.Hop) []StepReport {
	h := d.links[hop]
	if !slices.ContainsFunc(h.used, func(u use) bool { return u.ours > 0 }) {
		return nil
	}
	var all []StepReport
	end := h.used[len(h.used)-1].to
	times := append(slices.DeleteFunc(h.changes(), func(t time.Duration) bool { return t == 0 || t >= end }), end)
	for i, at := range times[:len(times)-1] {
		before, after := h.left(at-1), h.left(at)
		if before == after || times[i+1]-at < leastFollow || after > before && !h.wasLimited(at, before) {
			continue
		}
		s := StepReport{At: at.Seconds(), Link: hop.Location, Up: hop.Up, Before: 8 * float64(before), After: 8 * float64(after)}
		followed, ok := d.follow(hop, at, times[i+1])
		s.Followed, s.Missed = followed.Seconds(), !ok
		all = append(all, s)
	}
	return all
}

// wasLimited reports whether we used what we had in the second before a time. What had
// less than the floor is taken to have been limited by others' use.
func (h history) wasLimited(at time.Duration, had unit.Rate) bool {
	if had <= floor(h.capacityAt(at-1)) {
		return true
	}
	var bytes, seconds float64
	for _, u := range h.used {
		if u.from >= at-time.Second && u.to <= at {
			bytes, seconds = bytes+u.ours*(u.to-u.from).Seconds(), seconds+(u.to-u.from).Seconds()
		}
	}
	return seconds > 0 && bytes/seconds >= wasLimited*float64(had)
}

// follow returns how long it took from at until two intervals in a row were as they
// should be: within what is left, if that is less than before, or else using it, or all
// that anybody wants. It is false if none were until end.
func (d demand) follow(hop topo.Hop, at, end time.Duration) (time.Duration, bool) {
	h := d.links[hop]
	left, more := h.left(at), h.left(at) > h.left(at-1)
	good := 0
	for i, u := range h.used {
		if u.from < at || u.to > end {
			continue
		}
		if more && !h.enough(u) && d.waits(hop, i) || !more && u.ours > withinLimit*float64(left) {
			good = 0
			continue
		}
		if good++; good == 2 {
			return max(0, h.used[i-1].from-at), true
		}
	}
	return end - at, false
}

// compareSteps orders by time and place, the way up first.
func compareSteps(a, b StepReport) int {
	if c := cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Link, b.Link)); c != 0 || a.Up == b.Up {
		return c
	}
	if a.Up {
		return -1
	}
	return 1
}
