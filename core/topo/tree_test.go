package topo

import (
	"slices"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/unit"
)

const mbit = unit.Rate(1e6 / 8)

func even(r unit.Rate) Link { return Link{Up: r, Down: r} }

// hosts returns n hosts named <location's last label>-1, -2, … with equal links.
func hosts(loc unit.Location, n int, link Link) []Host {
	var all []Host
	label := loc[strings.LastIndexByte(string(loc), '/')+1:]
	for i := range n {
		all = append(all, Host{unit.NodeID(label) + "-" + unit.NodeID(rune('1'+i)), loc, link})
	}
	return all
}

func names(hosts []Host) []unit.NodeID {
	var all []unit.NodeID
	for _, h := range hosts {
		all = append(all, h.Node)
	}
	return all
}

func mustNew(t testing.TB, places []Place, hosts []Host) *Tree {
	t.Helper()
	tree, err := New(places, hosts)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTree(t *testing.T) {
	tree := mustNew(t, []Place{{"a/r1", even(10 * mbit)}, {"b", Link{Up: 1, Down: 2}}},
		slices.Concat(hosts("a/r2", 2, even(mbit)), hosts("b", 1, even(mbit))))
	if got, want := tree.Locations(), []unit.Location{"", "a", "b", "a/r1", "a/r2"}; !slices.Equal(got, want) {
		t.Errorf("locations %q, want %q", got, want)
	}
	for loc, want := range map[unit.Location]Link{
		"": Unlimited, "a": Unlimited, "a/r1": even(10 * mbit), "a/r2": Unlimited, "b": {Up: 1, Down: 2}, "elsewhere": Unlimited,
	} {
		if got := tree.Uplink(loc); got != want {
			t.Errorf("uplink of %s is %v, want %v", loc, got, want)
		}
	}
	if got, want := names(tree.Hosts()), []unit.NodeID{"b-1", "r2-1", "r2-2"}; !slices.Equal(got, want) {
		t.Errorf("hosts %q, want %q", got, want)
	}
	if h, ok := tree.Host("r2-2"); !ok || h != (Host{"r2-2", "a/r2", even(mbit)}) {
		t.Errorf("host r2-2 is %v, %v", h, ok)
	}
	if _, ok := tree.Host("nobody"); ok {
		t.Error("an unknown host was found")
	}
}

func TestNewRejects(t *testing.T) {
	for name, c := range map[string]struct {
		places []Place
		hosts  []Host
		want   string
	}{
		"location twice":       {[]Place{{"a", Unlimited}, {"a", Unlimited}}, nil, "location a is declared twice"},
		"uplink of the root":   {[]Place{{"", Unlimited}}, nil, "root"},
		"negative uplink":      {[]Place{{"a", Link{Up: -1}}}, nil, "location a"},
		"host twice":           {nil, []Host{{"h", "a", Unlimited}, {"h", "b", Unlimited}}, "host h is declared twice"},
		"negative link of one": {nil, []Host{{"h", "a", Link{Down: -1}}}, "host h"},
	} {
		if _, err := New(c.places, c.hosts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b unit.Location
		want int
	}{
		{"", "", 0}, {"ams/r1", "ams/r1", 0}, {"ams/r1", "ams/r2", 2}, {"ams/r1", "ams", 1},
		{"ams/r1", "esy/r1", 4}, {"", "esy/r1", 2}, {"ams", "ams2", 2},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("distance of %s and %s is %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Distance(c.b, c.a); got != c.want {
			t.Errorf("distance of %s and %s is %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestPath(t *testing.T) {
	tree := mustNew(t, []Place{{"a/r1", Link{Up: 3, Down: 4}}}, []Host{
		{"x", "a/r1", Link{Up: 1, Down: 2}}, {"y", "b", Link{Up: 5, Down: 6}}, {"z", "a/r1", Link{Up: 7, Down: 8}}, {"top", "", Unlimited},
	})
	for _, c := range []struct {
		from, to unit.NodeID
		want     []Hop
		capacity []unit.Rate
	}{
		{"x", "x", nil, nil},
		{"x", "z", []Hop{{"a/r1", "x", true}, {"a/r1", "z", false}}, []unit.Rate{1, 8}},
		{"x", "y", []Hop{{"a/r1", "x", true}, {"a/r1", "", true}, {"a", "", true}, {"b", "", false}, {"b", "y", false}},
			[]unit.Rate{1, 3, unit.Unlimited, unit.Unlimited, 6}},
		{"top", "x", []Hop{{"", "top", true}, {"a", "", false}, {"a/r1", "", false}, {"a/r1", "x", false}},
			[]unit.Rate{unit.Unlimited, unit.Unlimited, 4, 2}},
	} {
		got, err := tree.Path(c.from, c.to)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("path from %s to %s is %v, %v, want %v", c.from, c.to, got, err, c.want)
		}
		for i, hop := range got {
			if rate := tree.Capacity(hop); rate != c.capacity[i] {
				t.Errorf("capacity of %v is %d, want %d", hop, rate, c.capacity[i])
			}
		}
	}
	for _, pair := range [][2]unit.NodeID{{"x", "nobody"}, {"nobody", "x"}} {
		if _, err := tree.Path(pair[0], pair[1]); err == nil || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("path %v: error %v", pair, err)
		}
	}
}
