package topo

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
	"pgregory.net/rapid"
)

// The best rate at which every receiver can get everything, whatever the
// schedule, is a linear program: x(i,j) is what host i sends to host j per
// second. Links carry at most their capacity. Every receiver can be served at
// rate r exactly if across every set of hosts that holds all initial seeders,
// and not all hosts, at least r passes (Edmonds' theorem on arborescences; all
// hosts that take part are receivers or initial seeders).
func bestRate(t *rapid.T, tree *Tree, initial, all []unit.NodeID) float64 {
	n := len(all)
	variable := func(i, j int) int { return 1 + i*n + j }
	var a [][]float64
	var b []float64
	links := map[Hop][]float64{}
	for i := range all {
		for j := range all {
			path, err := tree.Path(all[i], all[j])
			if err != nil {
				t.Fatal(err)
			}
			for _, hop := range path {
				if links[hop] == nil {
					links[hop] = make([]float64, 1+n*n)
				}
				links[hop][variable(i, j)] = 1
			}
		}
	}
	for hop, row := range links {
		if rate := tree.Capacity(hop); rate != unit.Unlimited {
			a, b = append(a, row), append(b, float64(rate))
		}
	}
	for set := range 1<<n - 1 {
		if row := crossing(set, initial, all, variable); row != nil {
			a, b = append(a, row), append(b, 0)
		}
	}
	c := make([]float64, 1+n*n)
	c[0] = 1
	return maximize(c, a, b)
}

// crossing says that r minus what leaves the set of hosts is not positive; nil
// if an initial seeder is outside the set.
func crossing(set int, initial, all []unit.NodeID, variable func(i, j int) int) []float64 {
	row := make([]float64, 1+len(all)*len(all))
	row[0] = 1
	for i := range all {
		inside := set&(1<<i) != 0
		if !inside && slices.Contains(initial, all[i]) {
			return nil
		}
		for j := range all {
			if inside && set&(1<<j) == 0 {
				row[variable(i, j)] = -1
			}
		}
	}
	return row
}

// randomTree draws up to three top locations of up to two racks, and hosts.
func randomTree(t *rapid.T) *Tree {
	capacity := rapid.Custom(func(t *rapid.T) Link {
		return Link{Up: unit.Rate(rapid.IntRange(1, 20).Draw(t, "up")), Down: unit.Rate(rapid.IntRange(1, 20).Draw(t, "down"))}
	})
	locations := []unit.Location{"", "a", "b", "c", "a/1", "a/2", "b/1", "b/2"}
	if rapid.IntRange(0, 3).Draw(t, "flat") == 0 {
		locations = locations[:1]
	}
	var places []Place
	for _, loc := range locations[1:] {
		if rapid.Bool().Draw(t, "declared "+string(loc)) {
			places = append(places, Place{loc, capacity.Draw(t, string(loc))})
		}
	}
	var hosts []Host
	for i := range rapid.IntRange(2, 6).Draw(t, "hosts") {
		loc := rapid.SampledFrom(locations).Draw(t, "location")
		hosts = append(hosts, Host{unit.NodeID(fmt.Sprint("h", i)), loc, capacity.Draw(t, "host")})
	}
	tree, err := New(places, hosts)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// No schedule beats the bound. Where hosts have no locations and one of them is
// the initial seeder, some schedule attains it.
func TestBoundIsNeverBeaten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := randomTree(t)
		hosts := names(tree.Hosts())
		all := hosts[:rapid.IntRange(2, min(5, len(hosts))).Draw(t, "taking part")]
		initial := all[:rapid.IntRange(1, len(all)-1).Draw(t, "initial seeders")]
		const size = 1e6
		bound, err := tree.Bound(Job{size, initial, all})
		if err != nil {
			t.Fatal(err)
		}
		best := size / bestRate(t, tree, initial, all) / Goodput
		gap := 1 - bound.Time.Seconds()/best
		if gap < -1e-6 {
			t.Fatalf("bound %v is more than the best schedule's %.3f s: %v", bound.Time, best, bound.Terms)
		}
		if len(initial) == 1 && len(tree.Locations()) == 1 && gap > 1e-6 {
			t.Fatalf("bound %v is less than the best schedule's %.3f s: %v", bound.Time, best, bound.Terms)
		}
	})
}
