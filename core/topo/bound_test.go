package topo

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// wire is the time in which bytes of payload pass a link of rate r.
func wire(bytes float64, r unit.Rate) time.Duration {
	return time.Duration(bytes / float64(r) * 1514 / 1448 * 1e9)
}

func near(a, b time.Duration) bool { return (a - b).Abs() <= time.Microsecond }

// figure8 is the thesis's network of figure 8.
func figure8(t *testing.T) *Tree {
	rack, host := even(10*mbit), even(100*mbit)
	return mustNew(t, []Place{{"ams", even(1000 * mbit)}, {"ams/b-5", rack}, {"ams/b-12", rack}, {"esy/17c", rack}, {"esy/7b", rack}},
		slices.Concat(hosts("ams/b-5", 5, host), hosts("ams/b-12", 5, host), hosts("esy/17c", 7, host), hosts("esy/7b", 1, host)))
}

func TestFigure8(t *testing.T) {
	tree := figure8(t)
	b, err := tree.Bound(Job{Size: 173e6, Initial: []unit.NodeID{"b-12-1"}, Receivers: names(tree.Hosts())})
	if err != nil {
		t.Fatal(err)
	}
	// One copy over a 10 Mbit/s rack uplink: 138.4 s of bits, 144.7 s in frames.
	if s := b.Time.Seconds(); math.Abs(s-144.7) > 0.05 {
		t.Errorf("bound is %.2f s, want 144.7 s; tightest %v", s, b.Terms[0])
	}
}

func TestBound(t *testing.T) {
	const f = 1e9
	slow, fast := even(10*mbit), even(1000*mbit)
	for _, c := range []struct {
		name               string
		places             []Place
		hosts              []Host
		initial, receivers []unit.NodeID
		cut                Cut
		place              string
		want               time.Duration
	}{
		{"a slow receiver",
			nil, []Host{{"s", "", fast}, {"x", "", Link{Up: fast.Up, Down: slow.Down}}},
			[]unit.NodeID{"s"}, []unit.NodeID{"x"}, Into, "x", wire(f, slow.Down)},
		{"a slow seeder",
			nil, []Host{{"s", "", slow}, {"x", "", fast}, {"y", "", fast}},
			[]unit.NodeID{"s"}, []unit.NodeID{"x", "y"}, OutOf, "s", wire(f, slow.Up)},
		{"all uploads together: 3 copies over 10+3·1 Mbit/s",
			nil, []Host{{"s", "", even(10 * mbit)}, {"x", "", Link{mbit, 100 * mbit}}, {"y", "", Link{mbit, 100 * mbit}}, {"z", "", Link{mbit, 100 * mbit}}},
			[]unit.NodeID{"s"}, []unit.NodeID{"x", "y", "z"}, Within, "/", wire(3*f, 13*mbit)},
		{"those who do not take part send nothing",
			nil, []Host{{"s", "", even(10 * mbit)}, {"x", "", Link{mbit, 100 * mbit}}, {"y", "", Link{mbit, 100 * mbit}}, {"idle", "", fast}},
			[]unit.NodeID{"s"}, []unit.NodeID{"x", "y"}, Within, "/", wire(2*f, 12*mbit)},
		{"into a rack",
			[]Place{{"r1", fast}, {"r2", Link{fast.Up, slow.Down}}}, []Host{{"s", "r1", fast}, {"x", "r2", fast}, {"y", "r2", fast}},
			[]unit.NodeID{"s"}, []unit.NodeID{"x", "y"}, Into, "r2", wire(f, slow.Down)},
		{"out of the seeder's rack",
			[]Place{{"r1", Link{slow.Up, fast.Down}}}, []Host{{"s", "r1", fast}, {"x", "r2", fast}},
			[]unit.NodeID{"s"}, []unit.NodeID{"x"}, OutOf, "r1", wire(f, slow.Up)},
		{"inside a rack, helped from above: 3 copies over 3·1 + 20 Mbit/s",
			[]Place{{"r2", even(20 * mbit)}},
			[]Host{{"s", "r1", fast}, {"x", "r2", Link{mbit, fast.Down}}, {"y", "r2", Link{mbit, fast.Down}}, {"z", "r2", Link{mbit, fast.Down}}},
			[]unit.NodeID{"s"}, []unit.NodeID{"x", "y", "z"}, Within, "r2", wire(3*f, 23*mbit)},
		{"inside the seeder's rack, a copy for the outside too: 3 copies over 10+2·1 + 15 Mbit/s",
			[]Place{{"r1", even(15 * mbit)}},
			[]Host{{"s", "r1", even(10 * mbit)}, {"x", "r1", Link{mbit, fast.Down}}, {"y", "r1", Link{mbit, fast.Down}}, {"z", "r2", fast}},
			[]unit.NodeID{"s"}, []unit.NodeID{"x", "y", "z"}, Within, "r1", wire(3*f, 27*mbit)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := mustNew(t, c.places, c.hosts).Bound(Job{f, c.initial, c.receivers})
			if err != nil {
				t.Fatal(err)
			}
			tight := b.Terms[0]
			place := tight.Location.String()
			if tight.Node != "" {
				place = string(tight.Node)
			}
			if tight.Cut != c.cut || place != c.place || !near(b.Time, c.want) || b.Time != tight.Time {
				t.Errorf("tightest is %v in %v, want %v %s in %v", tight, b.Time, c.cut, c.place, c.want)
			}
		})
	}
}

// With two seeders in different racks no rack has to send a whole copy.
func TestBoundOfTwoSeeders(t *testing.T) {
	rack, host := even(10*mbit), even(1000*mbit)
	tree := mustNew(t, []Place{{"r1", rack}, {"r2", rack}}, []Host{{"s", "r1", host}, {"t", "r2", host}, {"x", "r3", host}})
	b, err := tree.Bound(Job{1e9, []unit.NodeID{"s", "t"}, []unit.NodeID{"x", "s"}})
	if err != nil {
		t.Fatal(err)
	}
	// x takes from both racks at 20 Mbit/s and could send on at 1000 Mbit/s.
	want := []Term{
		{Into, "r3", "x", 1e9, 0, host.Down, wire(1e9, host.Down)},
		{Within, "", "", 1e9, 0, 20*mbit + host.Up, wire(1e9, 20*mbit+host.Up)},
		{Into, "r3", "", 1e9, 0, unit.Unlimited, 0},
		{Within, "r3", "", 1e9, 0, unit.Unlimited, 0},
	}
	if !slices.EqualFunc(b.Terms, want, func(a, b Term) bool {
		same := near(a.Time, b.Time)
		a.Time, b.Time = 0, 0
		return same && a == b
	}) {
		t.Errorf("terms %v, want %v", b.Terms, want)
	}
}

func TestBoundAtTheLimits(t *testing.T) {
	tree := mustNew(t, []Place{{"cut", Link{}}}, []Host{{"s", "", even(mbit)}, {"x", "", even(mbit)}, {"far", "cut", even(mbit)}})
	s, x := []unit.NodeID{"s"}, []unit.NodeID{"x"}
	for _, c := range []struct {
		name string
		job  Job
		want time.Duration
	}{
		{"nothing to send", Job{0, s, x}, 0},
		{"nobody wants it", Job{1e9, s, nil}, 0},
		{"only the seeder wants it", Job{1e9, s, s}, 0},
		{"no way there", Job{1e9, s, []unit.NodeID{"far"}}, math.MaxInt64},
		{"more than a time holds", Job{math.MaxInt64, s, x}, math.MaxInt64},
	} {
		b, err := tree.Bound(c.job)
		if err != nil || b.Time != c.want {
			t.Errorf("%s: bound %v, %v, want %v", c.name, b.Time, err, c.want)
		}
	}
}

func TestBoundRejects(t *testing.T) {
	tree := mustNew(t, nil, []Host{{"s", "", Unlimited}})
	s := []unit.NodeID{"s"}
	for want, job := range map[string]Job{
		"negative":           {-1, s, s},
		"initial seeder":     {1, nil, s},
		"host nobody is not": {1, s, []unit.NodeID{"nobody"}},
		"host noone is not":  {1, []unit.NodeID{"noone"}, s},
	} {
		if _, err := tree.Bound(job); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want one with %q", job, err, want)
		}
	}
}
