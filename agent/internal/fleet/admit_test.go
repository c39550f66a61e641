package fleet

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rackswarm/rackswarm/core/api"
)

var fleetNodes = []api.Node{
	{Name: "web1", Location: "ams1/r1", Labels: map[string]string{"role": "web"}, Alive: true},
	{Name: "web2", Location: "ams1/r2", Labels: map[string]string{"role": "web"}},
	{Name: "db1", Location: "fra1/r1", Labels: map[string]string{"role": "db"}, Alive: true},
}

// at is a distribution of a path to nodes.
func at(name, path string, s api.Selector) api.Distribution {
	return api.Distribution{Name: name, Path: path, Selector: s, State: api.StatePresent}
}

func in(locations ...string) api.Selector { return api.Selector{Locations: locations} }
func on(names ...string) api.Selector     { return api.Selector{NodeNames: names} }
func labelled(key, value string) api.Selector {
	return api.Selector{Labels: map[string]string{key: value}}
}
func removing(d api.Distribution) api.Distribution {
	d.State = api.StateAbsent
	return d
}

func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		name     string
		other, d api.Distribution
		want     string // in the error; "" for none
	}{
		{"same path", at("a", "/srv/x", in()), at("b", "/srv/x", in("ams1")), "/srv/x is also that of distribution a, on web1, web2"},
		{"inside", at("a", "/srv", in("fra1")), at("b", "/srv/x/y", in()), "/srv/x/y lies inside /srv of distribution a, on db1"},
		{"around", at("a", "/srv/x", in()), at("b", "/srv", on("db1")), "/srv contains /srv/x of distribution a, on db1"},
		{"being removed", removing(at("a", "/srv/x", in())), at("b", "/srv/x", in()), "wait until a is removed"},
		{"nodes to come", at("a", "/srv/x", in("par1/r1")), at("b", "/srv/x", in("par1")), "a node that joins"},
		{"label and place", at("a", "/srv/x", labelled("role", "db")), at("b", "/srv/x", in("ams1")), "a node that joins"},
		{"two labels", at("a", "/srv/x", labelled("role", "db")), at("b", "/srv/x", labelled("tier", "front")), "a node that joins"},
		{"named node to come", at("a", "/srv/x", on("new1", "web1")), at("b", "/srv/x", on("new1")), "a node that joins"},
		{"named and place", at("a", "/srv/x", on("new1")), at("b", "/srv/x", in("par1")), "a node that joins"},

		{"itself", at("a", "/srv/x", in()), at("a", "/srv/x", in("ams1")), ""},
		{"common prefix", at("a", "/srv/x", in()), at("b", "/srv/xy", in()), ""},
		{"siblings", at("a", "/srv/x", in()), at("b", "/srv/y", in()), ""},
		{"other places", at("a", "/srv/x", in("ams1")), at("b", "/srv/x", in("fra1", "par1")), ""},
		{"similar places", at("a", "/srv/x", in("ams1/r1")), at("b", "/srv/x", in("ams1/r10")), ""},
		{"other labels", at("a", "/srv/x", labelled("role", "web")), at("b", "/srv/x", labelled("role", "db")), ""},
		{"other nodes", at("a", "/srv/x", on("web1")), at("b", "/srv/x", on("db1", "web2")), ""},
		{"named nodes are elsewhere", at("a", "/srv/x", on("web1")), at("b", "/srv/x", in("fra1")), ""},
		{"named nodes have other labels", at("a", "/srv/x", on("web1")), at("b", "/srv/x", labelled("role", "db")), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := findConflict(c.d, map[string]api.Distribution{c.other.Name: c.other}, fleetNodes)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *api.Error
			if !errors.As(err, &e) || e.Code != api.CodeConflict || e.Subject != "path" || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v; want %q", err, c.want)
			}
		})
	}
}

func TestNoTargets(t *testing.T) {
	var many []api.Node
	for i := range 20 {
		many = append(many, api.Node{Name: fmt.Sprintf("n%02d", i)})
	}
	for _, c := range []struct {
		name  string
		s     api.Selector
		nodes []api.Node
		want  []string // in the error; none for no error
	}{
		{"all", in(), fleetNodes, nil},
		{"one that is down", on("web2"), fleetNodes, nil},
		{"place", in("ams2"), fleetNodes, []string{"ams2", "ams1/r1, ams1/r2, fra1/r1"}},
		{"labels", labelled("role", "cache"), fleetNodes, []string{"role=cache", "role=db, role=web"}},
		{"names", on("web3"), fleetNodes, []string{"web3", "db1, web1, web2"}},
		{"nobody yet", in(), nil, []string{"start agents"}},
		{"long lists", on("x"), many, []string{"n00", "n11 and 8 more"}},
		{"at the root", in("ams1"), many[:1], []string{"locations /"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := at("a", "/srv/x", c.s)
			err := Admit(d, nil, c.nodes)
			d.AllowEmpty = true
			if allowed := Admit(d, nil, c.nodes); allowed != nil {
				t.Errorf("with allow_empty: %v", allowed)
			}
			if len(c.want) == 0 && err != nil {
				t.Fatal(err)
			}
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%v; want %q", err, part)
				}
			}
		})
	}
}

func TestInUse(t *testing.T) {
	all := []api.Distribution{{Name: "b", Digest: "d"}, {Name: "a", Digest: "d"}, {Name: "c", Digest: "e"},
		{Name: "z", Digest: "d", State: api.StateAbsent}}
	if err := inUse("d", all); err == nil || !strings.Contains(err.Error(), "a, b") || strings.Contains(err.Error(), "z") {
		t.Errorf("%v", err)
	}
	if err := inUse("f", all); err != nil {
		t.Errorf("%v", err)
	}
}
