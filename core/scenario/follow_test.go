package scenario

import (
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// A link of 10 Mbit/s with a fifth reserved, of which others take 6 from 4 s to 8 s.
const shared = `
artifact: {size: 10MB}
locations: {a: {hosts: 1}, b: {uplink: 10Mbit, hosts: 1}}
bandwidth: {reserve: 0.2}
background: [{from: a/1, to: b/1, rate: 6Mbit, start: 4s, stop: 8s}]
`

// moved is an interval of half a second in which something of a link's two
// directions was used, in Mbit/s.
func moved(i int, ours, others float64) LinkInterval {
	bytes := func(mbit float64) unit.Bytes { return unit.Bytes(mbit * 1e6 / 8 / 2) }
	return LinkInterval{
		End: time.Duration(i+1) * 500 * time.Millisecond,
		All: Crossing{Down: bytes(ours + others)}, Ours: Crossing{Down: bytes(ours)},
	}
}

// course is what a link carried into b: ours by half seconds, others as shared says.
func course(ours ...float64) []LinkInterval {
	var all []LinkInterval
	for i, mbit := range ours {
		others := 0.
		if i >= 8 && i < 16 {
			others = 6
		}
		all = append(all, moved(i, mbit, others))
	}
	return all
}

func followedOf(t *testing.T, used []LinkInterval) Report {
	t.Helper()
	r, err := mustParse(t, shared).Report("ours", Observed{Links: map[unit.Location][]LinkInterval{"b": used}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStepsAreFollowed(t *testing.T) {
	const fall, rise = 0, 1 // at 4 s and at 8 s
	for name, c := range map[string]struct {
		used     []LinkInterval
		step     int
		followed float64
		missed   bool
	}{
		"back at once":             {course(8, 8, 8, 8, 8, 8, 8, 8, 2, 2, 2, 2), fall, 0, false},
		"back after a second":      {course(8, 8, 8, 8, 8, 8, 8, 8, 8, 5, 2, 2, 2, 2), fall, 1, false},
		"within once is by chance": {course(8, 8, 8, 8, 8, 8, 8, 8, 8, 2, 8, 2, 2), fall, 1.5, false},
		"never back":               {course(8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8), fall, 2, true},
		"takes what is there":      {course(8, 8, 8, 8, 8, 8, 8, 8, 2, 2, 2, 2, 2, 2, 2, 2, 2, 8, 8, 8), rise, 0.5, false},
		"leaves it":                {course(8, 8, 8, 8, 8, 8, 8, 8, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2), rise, 2, true},
	} {
		steps := followedOf(t, c.used).Steps
		if len(steps) <= c.step {
			t.Errorf("%s: the steps are %+v", name, steps)
			continue
		}
		if s := steps[c.step]; s.Link != "b" || s.Up || s.Followed != c.followed || s.Missed != c.missed {
			t.Errorf("%s: the step is %+v, want one after %v s, missed %v", name, s, c.followed, c.missed)
		}
	}
}

// Who used little of a link before is not expected to use more.
func TestARiseThatNobodyNeeds(t *testing.T) {
	r := followedOf(t, course(8, 8, 8, 8, 8, 8, 8, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1))
	if len(r.Steps) != 1 || r.Steps[0].At != 4 {
		t.Errorf("the steps are %+v, want the first one only", r.Steps)
	}
}

// A way out of a location is not to be filled with what nobody waits for: those
// elsewhere have all that their own links let in, or are complete.
func TestARiseOutOfALocation(t *testing.T) {
	s := mustParse(t, `
artifact: {size: 10MB}
locations: {a: {hosts: 1}, b: {uplink: 10Mbit, hosts: 1}, c: {uplink: 10Mbit, hosts: 1}}
bandwidth: {reserve: 0.2}
background: [{from: b/1, to: c/1, rate: 6Mbit, start: 4s, stop: 8s}]`)
	const half = 500 * time.Millisecond
	for name, test := range map[string]struct {
		intoC    float64       // in Mbit/s, from a second after others went on
		complete time.Duration // c is, 0 for never
		followed float64
		missed   bool
	}{
		"c has room":         {2, 0, 4, true},
		"c has no room":      {8, 0, 1, false},
		"c is complete":      {2, 9 * time.Second, 1, false},
		"c is complete late": {2, 11 * time.Second, 3, false},
	} {
		var b, c []LinkInterval
		for i := range 24 {
			rate := 2.
			if i >= 18 {
				rate = test.intoC
			}
			end := time.Duration(i+1) * half
			b = append(b, LinkInterval{End: end, All: Crossing{Up: 125e3}, Ours: Crossing{Up: 125e3}}) // 2 Mbit/s
			c = append(c, moved(i, rate, 0))
		}
		o := Observed{Links: map[unit.Location][]LinkInterval{"b": b, "c": c}, Nodes: map[unit.NodeID]NodeObserved{"b/1": {Finished: true, Finish: 2 * time.Second}}}
		if test.complete > 0 {
			o.Nodes["c/1"] = NodeObserved{Finished: true, Finish: test.complete}
		}
		r, err := s.Report("ours", o)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(r.Steps, func(s StepReport) bool { return s.Link == "b" && s.Up && s.At == 8 })
		if i < 0 || r.Steps[i].Followed != test.followed || r.Steps[i].Missed != test.missed {
			t.Errorf("%s: the steps are %+v, want one out of b after %v s, missed %v", name, r.Steps, test.followed, test.missed)
		}
	}
}

// Who had the floor because others took all was limited, though it used less.
func TestARiseAfterTheFloor(t *testing.T) {
	s := mustParse(t, `
artifact: {size: 10MB}
locations: {a: {hosts: 1}, b: {uplink: 10Mbit, hosts: 1}}
bandwidth: {reserve: 0.2}
background: [{from: a/1, to: b/1, rate: 9.5Mbit, start: 4s, stop: 8s}]`)
	r, err := s.Report("ours", Observed{Links: map[unit.Location][]LinkInterval{
		"b": course(8, 8, 8, 8, 8, 8, 8, 8, .1, .1, .1, .1, .1, .1, .1, .1, .1, 8, 8, 8)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Steps) != 2 || r.Steps[1].Followed != .5 {
		t.Errorf("the steps are %+v, want two, the second one followed after 0.5 s", r.Steps)
	}
}

func TestLinksOverTime(t *testing.T) {
	r := followedOf(t, course(8, 9, 9, 9, 8, 9, 8, 8, 9, 9, 9))
	down := r.Links["b"].Down
	if down.Over != 1.5 {
		t.Errorf("above the limit for %v s, want 1.5: what others are part of does not count", down.Over)
	}
	if down.Use[8] != (UsePoint{4.5, 9e6, 6e6}) || down.Capacity[0] != (Point{0, 10e6}) || down.Limit[0] != (Point{0, 8e6}) {
		t.Errorf("the link is %+v", down)
	}
	if up := r.Links["b"].Up; up.Over != 0 || up.Use[8] != (UsePoint{4.5, 0, 0}) {
		t.Errorf("the way up is %+v", up)
	}
}

func TestFloorIsLeftWhenOthersTakeAll(t *testing.T) {
	s := mustParse(t, `
artifact: {size: 10MB}
locations: {a: {hosts: 1}, b: {uplink: 10Mbit, hosts: 1}}
bandwidth: {}
background: [{from: a/1, to: b/1, rate: 9Mbit, start: 1s}]`)
	tree, err := s.Tree()
	if err != nil {
		t.Fatal(err)
	}
	links, err := s.links(tree)
	if err != nil {
		t.Fatal(err)
	}
	h := history{link: links[topo.Hop{Location: "b"}], reserve: 0.2}
	if before, after := h.left(0), h.left(time.Second); before != 1e6 || after != 25e3 {
		t.Errorf("%d and then %d bytes per second are left, want 1000000 and 25000, a fiftieth", before, after)
	}
}

func TestNearStep(t *testing.T) {
	s := mustParse(t, shared+"faults: [{at: 20s, link: b, rate: 5Mbit}]")
	for at, want := range map[time.Duration]bool{
		0: false, 4 * time.Second: true, 5499 * time.Millisecond: true, 5500 * time.Millisecond: false, 8 * time.Second: true, 21 * time.Second: true,
	} {
		if got := s.NearStep(at); got != want {
			t.Errorf("%s is near a step: %v", at, got)
		}
	}
}
