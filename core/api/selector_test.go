package api_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/api"
)

func TestSelectorMatches(t *testing.T) {
	web1 := api.Node{Name: "web1", Location: "ams1/r1", Labels: map[string]string{"role": "web", "gen": "2"}}
	root := api.Node{Name: "top"}
	for _, c := range []struct {
		name string
		s    api.Selector
		n    api.Node
		want bool
	}{
		{"everybody", api.Selector{}, web1, true},
		{"its location", api.Selector{Locations: []string{"ams1/r1"}}, web1, true},
		{"a location around it", api.Selector{Locations: []string{"fra1", "ams1"}}, web1, true},
		{"the root", api.Selector{Locations: []string{"/"}}, web1, true},
		{"a similar name", api.Selector{Locations: []string{"ams1/r", "ams", "ams1/r11"}}, web1, false},
		{"a location inside", api.Selector{Locations: []string{"ams1/r1/s1"}}, web1, false},
		{"a node at the root", api.Selector{Locations: []string{"ams1"}}, root, false},
		{"a location that does not parse", api.Selector{Locations: []string{"ams1//r1"}}, web1, false},
		{"all labels", api.Selector{Labels: map[string]string{"role": "web", "gen": "2"}}, web1, true},
		{"one label differs", api.Selector{Labels: map[string]string{"role": "web", "gen": "3"}}, web1, false},
		{"a label it has not", api.Selector{Labels: map[string]string{"tier": ""}}, web1, false},
		{"its name", api.Selector{NodeNames: []string{"web2", "web1"}}, web1, true},
		{"other names", api.Selector{NodeNames: []string{"web"}}, web1, false},
		{"name but not location", api.Selector{NodeNames: []string{"web1"}, Locations: []string{"fra1"}}, web1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.s.Matches(c.n); got != c.want {
				t.Errorf("matches: %v", got)
			}
		})
	}
}

var (
	someLocations = rapid.SampledFrom([]string{"ams1", "ams1/r1", "ams1/r2", "fra1", "/"})
	someValues    = rapid.SampledFrom([]string{"a", "b"})
)

func drawSelector(t *rapid.T, name string) api.Selector {
	return api.Selector{
		Locations: rapid.SliceOfN(someLocations, 0, 2).Draw(t, name+" locations"),
		Labels:    rapid.MapOfN(someValues, someValues, 0, 2).Draw(t, name+" labels"),
		NodeNames: rapid.SliceOfN(someValues, 0, 2).Draw(t, name+" names"),
	}
}

// A node that two selectors choose is proof that they overlap, and a selector
// says the same in any order.
func TestSelectorProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSelector(t, "a"), drawSelector(t, "b")
		n := api.Node{Name: someValues.Draw(t, "name"), Location: strings.TrimPrefix(someLocations.Draw(t, "location"), "/"),
			Labels: rapid.MapOfN(someValues, someValues, 0, 2).Draw(t, "labels")}
		if a.Matches(n) && b.Matches(n) && !a.Overlaps(b) {
			t.Fatalf("%+v and %+v both match %+v, and do not overlap", a, b, n)
		}
		if a.Overlaps(b) != b.Overlaps(a) || a.Equal(b) != b.Equal(a) {
			t.Fatalf("%+v and %+v: not symmetric", a, b)
		}
		if a.Equal(b) && a.Matches(n) != b.Matches(n) {
			t.Fatalf("%+v and %+v are equal and differ on %+v", a, b, n)
		}
		back := a
		back.Locations, back.NodeNames = reversed(a.Locations), reversed(a.NodeNames)
		if !a.Equal(back) {
			t.Fatalf("%+v differs from %+v", a, back)
		}
	})
}

func reversed(s []string) []string {
	var out []string
	for _, v := range s {
		out = append([]string{v}, out...)
	}
	return out
}

func TestSelectorsThatExclude(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b api.Selector
		want bool
	}{
		{"nested locations", api.Selector{Locations: []string{"ams1"}}, api.Selector{Locations: []string{"fra1", "ams1/r1"}}, true},
		{"other locations", api.Selector{Locations: []string{"ams1/r1"}}, api.Selector{Locations: []string{"ams1/r2"}}, false},
		{"one label, two values", api.Selector{Labels: map[string]string{"role": "web"}}, api.Selector{Labels: map[string]string{"role": "db"}}, false},
		{"two labels", api.Selector{Labels: map[string]string{"role": "web"}}, api.Selector{Labels: map[string]string{"tier": "1"}}, true},
		{"other names", api.Selector{NodeNames: []string{"a"}}, api.Selector{NodeNames: []string{"b"}}, false},
		{"names and nothing", api.Selector{NodeNames: []string{"a"}}, api.Selector{}, true},
	} {
		if got := c.a.Overlaps(c.b); got != c.want {
			t.Errorf("%s: overlaps %v", c.name, got)
		}
	}
}

func TestValidate(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	good := api.Distribution{Name: "go-1.26", Digest: digest, Path: "/opt/go", Owner: "www-data", Group: "33", Mode: "0755",
		Activate: api.ActivateTogether, KeepPrevious: true, Hooks: api.Hooks{Before: []string{"drain"}, After: []string{"drain", "check-1"}},
		Selector: api.Selector{Locations: []string{"ams1/r1"}, Labels: map[string]string{"role": ""}, NodeNames: []string{"web1"}}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field  string
		change func(*api.Distribution)
	}{
		{"name", func(d *api.Distribution) { d.Name = "" }},
		{"name", func(d *api.Distribution) { d.Name = "a/b" }},
		{"name", func(d *api.Distribution) { d.Name = strings.Repeat("x", 200) }},
		{"digest", func(d *api.Distribution) { d.Digest = "" }},
		{"digest", func(d *api.Distribution) { d.Digest = digest[7:] }},
		{"digest", func(d *api.Distribution) { d.Digest = digest + "00" }},
		{"digest", func(d *api.Distribution) { d.Digest = strings.ToUpper(digest) }},
		{"digest", func(d *api.Distribution) { d.Digest = "sha256:" + strings.Repeat("0A", 32) }},
		{"path", func(d *api.Distribution) { d.Path = "" }},
		{"path", func(d *api.Distribution) { d.Path = "opt/go" }},
		{"path", func(d *api.Distribution) { d.Path = "/" }},
		{"path", func(d *api.Distribution) { d.Path = "/opt/../etc" }},
		{"path", func(d *api.Distribution) { d.Path = "/opt/" }},
		{"path", func(d *api.Distribution) { d.Path = "/opt//go" }},
		{"path", func(d *api.Distribution) { d.Path = "/opt/\x00go" }},
		{"path", func(d *api.Distribution) { d.Path = "/opt/a\nb" }},
		{"path", func(d *api.Distribution) { d.Path = "/" + strings.Repeat("x", 5000) }},
		{"selector.locations[1]", func(d *api.Distribution) { d.Selector.Locations = []string{"ams1", "ams1//r1"} }},
		{"selector.node_names[0]", func(d *api.Distribution) { d.Selector.NodeNames = []string{"web 1"} }},
		{"selector.labels", func(d *api.Distribution) { d.Selector.Labels = map[string]string{"": "x"} }},
		{"owner", func(d *api.Distribution) { d.Owner = "www data" }},
		{"owner", func(d *api.Distribution) { d.Owner = "a:b" }},
		{"owner", func(d *api.Distribution) { d.Owner = "-1" }},
		{"group", func(d *api.Distribution) { d.Group = "4294967295" }},
		{"mode", func(d *api.Distribution) { d.Mode = "rwx" }},
		{"mode", func(d *api.Distribution) { d.Mode = "0789" }},
		{"mode", func(d *api.Distribution) { d.Mode = "17777" }},
		{"mode", func(d *api.Distribution) { d.Mode = "7" }},
		{"mode", func(d *api.Distribution) { d.Mode = "4755" }},
		{"activate", func(d *api.Distribution) { d.Activate = "now" }},
		{"hooks.before[1]", func(d *api.Distribution) { d.Hooks.Before = []string{"drain", "rm -rf /"} }},
		{"hooks.after[1]", func(d *api.Distribution) { d.Hooks.After = []string{"check", "check"} }},
		{"hooks.after", func(d *api.Distribution) { d.Hooks.After = make([]string, 17) }},
	} {
		d := good
		c.change(&d)
		var e *api.Error
		if err := d.Validate(); !errors.As(err, &e) || e.Code != api.CodeInvalid || e.Subject != c.field || e.Message == "" || e.Fix == "" {
			t.Errorf("%+v: %v; want field %s", d, err, c.field)
		}
	}
}

// Whatever is accepted as a path is absolute, clean and below the root.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/srv", "/srv/..", "//", "/a/./b", "/a\x7f", "srv", "/…", "/a/../../b", "/a/..."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		d := api.Distribution{Name: "x", Digest: "sha256:" + strings.Repeat("00", 32), Path: path}
		if d.Validate() != nil {
			return
		}
		if !strings.HasPrefix(path, "/") || path == "/" || strings.HasSuffix(path, "/") {
			t.Fatalf("accepted %q", path)
		}
		for _, part := range strings.Split(path[1:], "/") {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\x00\n") {
				t.Fatalf("accepted %q", path)
			}
		}
	})
}
