package topo

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Two racks behind 10 Mbit/s, s in the first with x, y and z in the second.
func twoRacks(t *testing.T) *Tree {
	fast := even(1000 * mbit)
	return mustNew(t, []Place{{"r1", even(10 * mbit)}, {"r2", even(10 * mbit)}},
		[]Host{{"s", "r1", fast}, {"x", "r1", fast}, {"y", "r2", fast}, {"z", "r2", even(50 * mbit)}})
}

func TestBoundUnder(t *testing.T) {
	const f = 10e6
	into, out := Hop{Location: "r2"}, Hop{Location: "r1", Up: true}
	rack := wire(f, 10*mbit) // 8.36 s
	for _, c := range []struct {
		name       string
		receivers  []unit.NodeID
		conditions Conditions
		want       time.Duration
		tight      string
	}{
		{"as without conditions", []unit.NodeID{"x", "y", "z"}, Conditions{}, rack, "out of r1"},
		{"all far ones join later", []unit.NodeID{"x", "y", "z"},
			Conditions{Join: map[unit.NodeID]time.Duration{"y": 5 * time.Second, "z": 7 * time.Second}}, 5*time.Second + rack, "out of r1"},
		{"one joins long after, from a neighbour", []unit.NodeID{"x", "y", "z"},
			Conditions{Join: map[unit.NodeID]time.Duration{"z": time.Minute}}, time.Minute + wire(f, 50*mbit), "into z"},
		{"a helper brings it in before", []unit.NodeID{"z"},
			Conditions{Join: map[unit.NodeID]time.Duration{"z": 2 * time.Second}, Helpers: []unit.NodeID{"y"}}, rack, "out of r1"},
		{"a link that halves", []unit.NodeID{"y"},
			Conditions{Capacity: map[Hop]Course{into: {{0, 10 * mbit}, {rack / 2, 5 * mbit}}}}, rack * 3 / 2, "into r2"},
		{"a link that is cut and heals", []unit.NodeID{"y"},
			Conditions{Capacity: map[Hop]Course{out: {{0, 10 * mbit}, {time.Second, 0}, {5 * time.Second, 10 * mbit}}}}, rack + 4*time.Second, "out of r1"},
		{"a link that is cut for good", []unit.NodeID{"y"},
			Conditions{Capacity: map[Hop]Course{into: {{0, 10 * mbit}, {time.Second, 0}}}}, math.MaxInt64, "into r2"},
		{"a link that opens", []unit.NodeID{"y"},
			Conditions{Capacity: map[Hop]Course{into: {{0, 0}, {time.Minute, unit.Unlimited}}}}, time.Minute, "into r2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := twoRacks(t).BoundUnder(Job{f, []unit.NodeID{"s"}, c.receivers}, c.conditions)
			if err != nil {
				t.Fatal(err)
			}
			if !near(b.Time, c.want) || !strings.Contains(b.Terms[0].String(), c.tight) {
				t.Errorf("%v by %v, want %v by %s", b.Time, b.Terms[0], c.want, c.tight)
			}
		})
	}
}

func TestBoundUnderRejects(t *testing.T) {
	hop := Hop{Location: "r1"}
	for want, c := range map[string]Conditions{
		"not in the topology":   {Capacity: map[Hop]Course{{Location: "r9"}: Constant(1)}},
		"host h9 is not":        {Helpers: []unit.NodeID{"h9"}},
		"host h8 is not":        {Join: map[unit.NodeID]time.Duration{"h8": 0}},
		"before the start":      {Join: map[unit.NodeID]time.Duration{"x": -1}},
		"no step at 0":          {Capacity: map[Hop]Course{hop: {}}},
		"has no step at 0":      {Capacity: map[Hop]Course{hop: {{1, 1}}}},
		"times must rise":       {Capacity: map[Hop]Course{hop: {{0, 1}, {0, 1}}}},
		"must not be negative,": {Capacity: map[Hop]Course{hop: {{0, -1}}}},
	} {
		if _, err := twoRacks(t).BoundUnder(Job{1, []unit.NodeID{"s"}, []unit.NodeID{"y"}}, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// phase is a part of the time in which links stay as they are.
type phase struct {
	from time.Duration
	tree *Tree
}

// phases draws how the links of a tree change, at full seconds.
func phases(t *rapid.T, tree *Tree) ([]phase, Conditions) {
	all := []phase{{0, tree}}
	capacity := map[Hop]Course{}
	for i := range rapid.IntRange(1, 3).Draw(t, "changes") {
		from := all[i].from + time.Duration(rapid.IntRange(1, 100_000).Draw(t, "seconds"))*time.Second
		changed := redraw(t, tree)
		all = append(all, phase{from, changed})
	}
	for i, v := range tree.vertices {
		for _, up := range []bool{true, false} {
			hop := tree.hop(i, up)
			if v.link == Unlimited {
				continue
			}
			for _, p := range all {
				capacity[hop] = append(capacity[hop], Step{p.from, p.tree.Capacity(hop)})
			}
		}
	}
	return all, Conditions{Capacity: capacity}
}

// redraw returns the tree with other capacities where they are limited.
func redraw(t *rapid.T, tree *Tree) *Tree {
	changed := *tree
	changed.vertices = slices.Clone(tree.vertices)
	for i := range changed.vertices {
		if link := &changed.vertices[i].link; *link != Unlimited {
			link.Up = unit.Rate(rapid.IntRange(0, 20).Draw(t, fmt.Sprint("up of ", i)))
			link.Down = unit.Rate(rapid.IntRange(0, 20).Draw(t, fmt.Sprint("down of ", i)))
		}
	}
	return &changed
}

// No schedule beats the bound over links that change: in each phase the linear
// program's best schedule for its links takes everybody forward by its rate.
func TestBoundUnderIsNeverBeaten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := randomTree(t)
		hosts := names(tree.Hosts())
		all := hosts[:rapid.IntRange(2, min(5, len(hosts))).Draw(t, "taking part")]
		initial := all[:rapid.IntRange(1, len(all)-1).Draw(t, "initial seeders")]
		parts, conditions := phases(t, tree)
		latest := time.Duration(0)
		conditions.Join = map[unit.NodeID]time.Duration{}
		if rapid.Bool().Draw(t, "staggered") {
			for _, node := range all[len(initial):] {
				join := time.Duration(rapid.IntRange(0, 100_000).Draw(t, "join")) * time.Second
				conditions.Join[node] = join
				latest = max(latest, join)
			}
		}
		const size = 1e6
		bound, err := tree.BoundUnder(Job{size, initial, all}, conditions)
		if err != nil {
			t.Fatal(err)
		}
		// Nothing is sent before the last one has joined: not the best, but a schedule.
		left, done := size/Goodput, math.Inf(1)
		for i, p := range parts {
			end := math.Inf(1)
			if i+1 < len(parts) {
				end = parts[i+1].from.Seconds()
			}
			begin := max(p.from, latest).Seconds()
			if begin >= end {
				continue
			}
			rate := bestRate(t, p.tree, initial, all)
			if left <= rate*(end-begin) {
				done = begin + left/rate
				break
			}
			left -= rate * (end - begin)
		}
		if bound.Time.Seconds() > done*(1+1e-6) {
			t.Fatalf("bound %v is more than a schedule's %.3f s: %v", bound.Time, done, bound.Terms)
		}
	})
}

// Where hosts have no locations, one is the initial seeder and all links change by
// the same factor, the bound is attained.
func TestBoundUnderIsAttained(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := []Host{}
		for i := range rapid.IntRange(2, 5).Draw(t, "hosts") {
			link := Link{Up: unit.Rate(rapid.IntRange(1, 20).Draw(t, "up")), Down: unit.Rate(rapid.IntRange(1, 20).Draw(t, "down"))}
			hosts = append(hosts, Host{unit.NodeID(fmt.Sprint("h", i)), "", link})
		}
		tree, err := New(nil, hosts)
		if err != nil {
			t.Fatal(err)
		}
		factor := unit.Rate(rapid.IntRange(2, 5).Draw(t, "factor"))
		at := time.Duration(rapid.IntRange(1, 100_000).Draw(t, "at")) * time.Second
		capacity := map[Hop]Course{}
		for i := range tree.vertices[1:] {
			for _, up := range []bool{true, false} {
				hop := tree.hop(i+1, up)
				rate := tree.Capacity(hop)
				capacity[hop] = Course{{0, rate}, {at, rate * factor}}
			}
		}
		const size = 1e6
		job := Job{size, []unit.NodeID{"h0"}, names(hosts)}
		bound, err := tree.BoundUnder(job, Conditions{Capacity: capacity})
		if err != nil {
			t.Fatal(err)
		}
		want := size / bestRate(t, tree, job.Initial, job.Receivers) / Goodput
		if s := at.Seconds(); want > s {
			want = s + (want-s)/float64(factor)
		}
		if math.Abs(bound.Time.Seconds()/want-1) > 1e-5 {
			t.Fatalf("bound %v, want %.3f s", bound.Time, want)
		}
	})
}

// A merged course is at every time what the function makes of both.
func TestMergedCourses(t *testing.T) {
	course := rapid.Custom(func(t *rapid.T) Course {
		c := Course{{0, unit.Rate(rapid.IntRange(0, 9).Draw(t, "rate"))}}
		for range rapid.IntRange(0, 4).Draw(t, "steps") {
			from := c[len(c)-1].From + time.Duration(rapid.IntRange(1, 5).Draw(t, "for"))
			c = append(c, Step{from, unit.Rate(rapid.IntRange(0, 9).Draw(t, "rate"))})
		}
		return c
	})
	at := func(c Course, t time.Duration) (r unit.Rate) {
		for _, step := range c {
			if step.From <= t {
				r = step.Rate
			}
		}
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := course.Draw(t, "a"), course.Draw(t, "b")
		sum := merge(a, b, addRate)
		for now := range time.Duration(25) {
			if got, want := at(sum, now), at(a, now)+at(b, now); got != want {
				t.Fatalf("at %d the sum of %v and %v is %d, want %d", now, a, b, got, want)
			}
		}
	})
}
