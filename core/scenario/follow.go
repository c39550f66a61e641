package scenario

import (
	"cmp"
	"fmt"
	"maps"
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
	all, locations := map[topo.Hop]history{}, slices.Sorted(maps.Keys(o.Links))
	for _, loc := range locations {
		for _, up := range []bool{true, false} {
			hop := topo.Hop{Location: loc, Up: up}
			if links[hop] == nil {
				return fmt.Errorf("report of %s: there is no location %s", s.Name, loc)
			}
			all[hop] = history{links[hop], s.reserve(), uses(o.Links[loc], up)}
		}
	}
	wanted := demand{all, s.served(o)}
	for _, loc := range locations {
		up, down := topo.Hop{Location: loc, Up: true}, topo.Hop{Location: loc}
		r.Links[loc] = LinkReport{Up: all[up].report(), Down: all[down].report()}
		if s.Bandwidth != nil {
			r.Steps = append(append(r.Steps, wanted.steps(up)...), wanted.steps(down)...)
		}
	}
	slices.SortFunc(r.Steps, compareSteps)
	return nil
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

// wasLimited reports whether we used what we had in the second before a time. Who had
// no more than the floor is taken to have been limited by others' use.
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

// follow returns how long it took from at until the first of two intervals in a row that
// were as they should be: within what is left, if that is less than before, or else
// using it, or all that anybody wants. It is false, and all the time until end, if none
// were.
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
