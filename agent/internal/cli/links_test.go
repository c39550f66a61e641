package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/control"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// direction is a direction of a link as an agent would say it.
func direction(l unit.Location, up bool, u bandwidth.LinkUse, ours int64) api.LinkDirection {
	b := bandwidth.DefaultPolicy().Budget(topo.Hop{Location: l, Up: up}, u)
	return api.LinkDirection{Capacity: int64(u.Capacity), Others: int64(u.Others), Ours: ours, Budget: api.BudgetOf(b.Rate),
		Reason: string(b.Binding.Reason), Why: b.Binding.String()}
}

func TestLinks(t *testing.T) {
	list := api.LinkList{Links: []api.LinkStatus{}}
	f := newFleet(t, atNoon, func(c *control.Config) {
		c.Links = func(context.Context) (api.LinkList, error) { return list, nil }
	})
	if out := f.ok("links"); !strings.Contains(out, "none limits transfers") {
		t.Errorf("without links: %s", out)
	}
	const gigabit = 1e9 / 8
	quiet := bandwidth.LinkUse{Capacity: gigabit, Sensor: true, Measured: true, Others: gigabit / 4}
	busy := bandwidth.LinkUse{Capacity: gigabit, Sensor: true, Measured: true, Others: gigabit}
	list.Links = []api.LinkStatus{
		{Location: "ams1", Up: direction("ams1", true, bandwidth.LinkUse{Capacity: gigabit}, 5e6), Down: direction("ams1", false, bandwidth.LinkUse{Capacity: gigabit}, 7e6)},
		{Location: "ams1/r1", Source: "device 10.0.0.1:161", Node: "web1", Measured: true, Age: 1.26, Users: 2,
			Up: direction("ams1/r1", true, quiet, 0), Down: direction("ams1/r1", false, busy, 1e6)},
		{Location: "ams1/r2", Source: "device 10.0.0.2:161", Node: "web2",
			Up: direction("ams1/r2", true, bandwidth.LinkUse{Sensor: true}, 0), Down: direction("ams1/r2", false, bandwidth.LinkUse{Sensor: true}, 0),
			Warnings: []api.LinkWarning{{Fault: "refused", Message: "device 10.0.0.2:161: it does not accept user rackswarm; in force: 976.6 KiB/s up, 976.6 KiB/s down"}}},
	}
	const nobody = "No node that is known is in ams1/r2, so nothing crosses its link"
	if out := f.ok("links"); !strings.Contains(out, nobody) {
		t.Errorf("without nodes: %s", out)
	}
	f.nodes()
	f.golden("links", f.ok("links"))
	list.Host = &api.HostLink{Node: "web1", Interface: "eth0", Measured: true, Age: 0.44, Up: direction("ams1/r1", true, quiet, 2e6),
		Down: api.LinkDirection{Reason: "open"}}
	f.golden("linkshost", f.ok("links"))
	list.Host.Up, list.Host.Down = api.LinkDirection{Reason: "open"}, api.LinkDirection{Reason: "open"}
	if out := f.ok("links"); !strings.Contains(out, "Nothing limits the own link of host web1: the speed of interface eth0 is not known, or host.up and host.down in its agent.yaml say so.") {
		t.Errorf("a host without a limit: %s", out)
	}
	list.StoreDown = true
	if out := f.ok("links"); !strings.HasPrefix(out, "The store does not answer") {
		t.Errorf("without the store: %s", out)
	}
	if got := decode[api.LinkList](f, f.ok("links", "--json")); len(got.Links) != 3 || got.Links[1].Down.Reason != string(bandwidth.Floor) {
		t.Errorf("as JSON: %+v", got)
	}
}

// newFleetOfLinks is a fleet whose agent lists what is declared in the store, and nothing
// else, and calls read before it answers.
func newFleetOfLinks(t *testing.T, read func()) (f *fleet) {
	t.Helper()
	return newFleet(t, atNoon, func(c *control.Config) {
		c.Links = func(ctx context.Context) (list api.LinkList, err error) {
			answer, err := c.Store.AskLinks(ctx, store.LinkQuery{All: true})
			for l, facts := range answer.Facts {
				list.Links = append(list.Links, statusOf(l, *facts.Record))
			}
			read()
			return list, err
		}
	})
}

// statusOf is a link of which operators say something, or said it once, as an agent
// would list it that knows nothing else.
func statusOf(l unit.Location, record store.LinkRecord) api.LinkStatus {
	s := api.LinkStatus{Location: string(l), Reserve: float64(bandwidth.DefaultReserve)}
	if !record.Cleared {
		s.Declared = &record.Link
	}
	if record.Reserve != nil {
		s.Reserve = *record.Reserve
	}
	one := func(up bool, carries, most *int64) api.LinkDirection {
		policy := bandwidth.DefaultPolicy()
		policy.Reserve = bandwidth.Part(s.Reserve)
		if most != nil {
			policy.Limit = unit.Rate(*most)
		}
		u := bandwidth.LinkUse{Capacity: unit.Unlimited}
		d := api.LinkDirection{}
		if s.Declared != nil && record.SaysWhatItCarries() {
			if u.Capacity, u.Undeclared = 0, carries == nil; carries != nil {
				u.Capacity, d.Capacity = unit.Rate(*carries), *carries
			}
		}
		b := policy.Budget(topo.Hop{Location: l, Up: up}, u)
		d.Budget, d.Reason, d.Why = api.BudgetOf(b.Rate), string(b.Binding.Reason), b.Binding.String()
		if b.Binding.Reason == bandwidth.Undeclared {
			s.Warnings = append(s.Warnings, api.LinkWarning{Fault: "capacity", Message: "nobody says what it carries " + b.Binding.Direction()})
		}
		return d
	}
	s.Up, s.Down = one(true, record.Up, record.MaxUp), one(false, record.Down, record.MaxDown)
	return s
}

// TestTheAnswerSaysWhatIsInForce after a link was declared, and names no ceiling that is
// not there.
func TestTheAnswerSaysWhatIsInForce(t *testing.T) {
	f := newFleetOfLinks(t, func() {})
	f.nodes()
	for _, step := range []struct {
		flags  string
		want   []string
		lacks  string
		inJSON unit.Rate // up
	}{
		{"--up 1Gbit", []string{"In force: 95.4 MiB/s of 119.2 MiB/s up, 976.6 KiB/s down; 20% stay free.\n", "Warning: link of ams1/r1 (capacity): nobody says what it carries down"}, "eiling", 1e8},
		{"--down 100Mbit --reserve 30%", []string{"In force: 83.4 MiB/s of 119.2 MiB/s up, 8.3 MiB/s of 11.9 MiB/s down; 30% stay free.\n"}, "Warning", 0.7 * 125e6},
		{"--max-up unlimited", []string{"There was no such ceiling of the link of ams1/r1: nothing is changed.", "In force: 83.4"}, "taken away", 0.7 * 125e6},
		{"--max-up 200Mbit", []string{"The ceiling of", "In force: 23.8 MiB/s of 119.2 MiB/s up, 8.3 MiB/s of 11.9 MiB/s down; 30% stay free; at most 23.8 MiB/s up for the fleet.\n"}, "11.9 MiB/s down for", 25e6},
		{"--max-up unlimited --max-down unlimited", []string{"A ceiling of the link of ams1/r1 is taken away."}, "at most", 0.7 * 125e6},
	} {
		args := append([]string{"links", "set", "ams1/r1"}, strings.Fields(step.flags)...)
		out := f.ok(args...)
		for _, want := range step.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in:\n%s", step.flags, want, out)
			}
		}
		if strings.Contains(out, step.lacks) {
			t.Errorf("%s: %q is in:\n%s", step.flags, step.lacks, out)
		}
		if got := decode[linkChange](f, f.ok(append(args, "--json")...)); got.Location != "ams1/r1" || got.InForce == nil || got.InForce.Up.Allowed() != step.inJSON {
			t.Errorf("%s as JSON: %+v", step.flags, got)
		}
	}
}

// To take away from a link of which nothing is said changes nothing, and is no failure.
func TestNothingIsTakenFromALink(t *testing.T) {
	f := newFleetOfLinks(t, func() {})
	f.nodes()
	if out := f.ok("links", "set", "ams1/r1", "--max-up", "unlimited"); !strings.Contains(out, "There was no such ceiling") || strings.Contains(out, "forgotten") || strings.Contains(out, "In force") {
		t.Errorf("a ceiling of a link that nobody declared: %s", out)
	}
	if answer, err := f.store.AskLinks(t.Context(), store.LinkQuery{All: true}); err != nil || len(answer.Facts) > 0 {
		t.Errorf("the store has %+v, %v", answer.Facts, err)
	}
	f.fails(exitFailed, []string{"the root has no link"}, "links", "set", "/", "--max-up", "unlimited")
	f.fails(exitFailed, []string{"the root has no link"}, "links", "clear", "/")
	f.fails(exitFailed, []string{"location"}, "links", "clear", "a b")
}

// TestTwoOperatorsAtOneLink: what one says of it while the other reads what was said is
// not lost.
func TestTwoOperatorsAtOneLink(t *testing.T) {
	var f *fleet
	others := []string{"up", "reserve"}
	rate, part := int64(125e6), 0.5
	f = newFleetOfLinks(t, func() {
		if len(others) == 0 {
			return
		}
		l := api.Link{Location: "ams1/r1", Up: &rate, At: noon.Add(-time.Hour)}
		if others[0] == "reserve" {
			l.Reserve, l.At = &part, noon.Add(-time.Minute)
		}
		others = others[1:]
		if err := f.store.PutLink(t.Context(), l); err != nil {
			t.Error(err)
		}
	})
	f.ok("links", "set", "ams1/r1", "--max-up", "200Mbit")
	answer, err := f.store.AskLinks(t.Context(), store.LinkQuery{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if l := answer.Facts["ams1/r1"].Record; l.MaxUp == nil || l.Up == nil || l.Reserve == nil {
		t.Errorf("of three things these are left: %+v", l)
	}
}

// TestTheLastCeilingIsTakenBackBesideAnother: what one says of the link while the other takes
// the last thing back stays.
func TestTheLastCeilingIsTakenBackBesideAnother(t *testing.T) {
	var f *fleet
	rate, reads := int64(125e6), 0
	f = newFleetOfLinks(t, func() {
		if reads++; reads != 3 { // the first two are of the one who declares
			return
		}
		if err := f.store.PutLink(t.Context(), api.Link{Location: "ams1/r1", Up: &rate, MaxUp: &rate, At: noon.Add(time.Minute)}); err != nil {
			t.Error(err)
		}
	})
	f.ok("links", "set", "ams1/r1", "--max-up", "200Mbit")
	if out := f.ok("links", "set", "ams1/r1", "--max-up", "unlimited"); strings.Contains(out, "is forgotten") {
		t.Errorf("one who did not take all back reads: %s", out)
	}
	answer, err := f.store.AskLinks(t.Context(), store.LinkQuery{All: true})
	if err != nil {
		t.Fatal(err)
	}
	if l := answer.Facts["ams1/r1"].Record; l == nil || l.Cleared || l.Up == nil || l.MaxUp != nil {
		t.Errorf("what is left: %+v", l)
	}
}

func TestLinksAreDeclared(t *testing.T) {
	f := newFleetOfLinks(t, func() {})
	if out := f.ok("links", "set", "ams1/r1", "--up", "1Gbit", "--down", "100Mbit"); !strings.Contains(out, "No node that is known is in ams1/r1") {
		t.Errorf("where no node is: %s", out)
	}
	f.nodes()
	if out := f.ok("links", "set", "ams1", "--up", "1Gbit"); strings.Contains(out, "No node") {
		t.Errorf("where nodes are: %s", out)
	}
	f.ok("links", "clear", "ams1")
	f.ok("links", "set", "ams1/r1", "--up", "200Mbit", "--reserve", "30%")
	all, err := f.store.AskLinks(t.Context(), store.LinkQuery{All: true})
	if err != nil || all.Facts["ams1/r1"].Record == nil || !all.Facts["ams1"].Record.Cleared {
		t.Fatalf("%+v, %v", all, err)
	}
	if l := all.Facts["ams1/r1"].Record; l.Location != "ams1/r1" || *l.Up != 25e6 || *l.Down != 12.5e6 || *l.Reserve != 0.3 || l.By == "" || !l.At.Equal(noon) {
		t.Errorf("declared: %+v", l)
	}
	f.ok("links", "clear", "ams1/r1")
	if out := f.ok("links", "clear", "ams1/r1"); !strings.Contains(out, "There was nothing to clear of the link of ams1/r1") {
		t.Errorf("a link is cleared a second time: %s", out)
	}
	if out := f.ok("links", "set", "ams1/r1", "--up", "10Mbit", "--max-up", "1Gbit", "--max-down", "1Gbit"); !strings.Contains(out, "Its ceiling --max-up, 119.2 MiB/s, never counts: it carries 1.2 MiB/s") || strings.Contains(out, "--max-down") {
		t.Errorf("a ceiling above what the link carries: %s", out)
	}
	f.fails(exitUsage, []string{"links set takes one LOCATION, not 0"}, "links", "set", "--up", "1Gbit")
	f.fails(exitUsage, []string{"links clear takes one LOCATION, not 2"}, "links", "clear", "ams1", "ams2")
	f.fails(exitUsage, []string{"--up, --down, --reserve, --max-up, --max-down: one of these has to be given"}, "links", "set", "ams1/r1")
	for _, bad := range [][]string{
		{"links", "set", "ams1/r1"},
		{"links", "set", "ams1/r1", "--up", ""},
		{"links", "set", "ams1/r1", "--up", "1Gbit", "--reserve", ""},
		{"links", "set", "ams1/r1", "--up", "0"},
		{"links", "set", "ams1/r1", "--up", "10"},
		{"links", "set", "ams1/r1", "--up", "fast"},
		{"links", "set", "ams1/r1", "--reserve", "100%"},
		{"links", "set", "ams1/r1", "--reserve", "-1%"},
	} {
		f.fails(exitUsage, nil, bad...)
	}
	f.fails(exitFailed, []string{"the root has no link"}, "links", "set", "/", "--up", "1Gbit")
	f.fails(exitFailed, []string{"location"}, "links", "set", "a b", "--up", "1Gbit")
}

// TestLinksHaveCeilings: what is left out stays as it was said, and a ceiling can be
// taken away alone.
func TestLinksHaveCeilings(t *testing.T) {
	f := newFleetOfLinks(t, func() {})
	f.nodes()
	said := func() *store.LinkRecord {
		answer, err := f.store.AskLinks(t.Context(), store.LinkQuery{All: true})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Facts["ams1/r1"].Record
	}
	says := func(want string, args ...string) {
		t.Helper()
		if out := f.ok(append([]string{"links", "set", "ams1/r1"}, args...)...); !strings.HasPrefix(out, want) {
			t.Errorf("%v: %s", args, out)
		}
	}
	says("The ceilings of the link of ams1/r1 are set.", "--max-up", "200Mbit", "--max-down", "100Mbit")
	if l := said(); *l.MaxUp != 25e6 || *l.MaxDown != 12.5e6 || l.SaysWhatItCarries() {
		t.Errorf("only ceilings: %+v", l)
	}
	if out := f.ok("links"); !strings.Contains(out, "Link of ams1/r1: at most 23.8 MiB/s up and 11.9 MiB/s down for the fleet, as ") {
		t.Error(out)
	}
	says("The link of ams1/r1 is declared.", "--up", "1Gbit", "--reserve", "30%")
	says("A ceiling of the link of ams1/r1 is taken away.", "--max-down", "unlimited")
	if l := said(); *l.MaxUp != 25e6 || l.MaxDown != nil || *l.Up != 125e6 || *l.Reserve != 0.3 {
		t.Errorf("one ceiling beside what it carries: %+v", l)
	}
	f.ok("links", "clear", "ams1/r1")
	says("The ceiling of the link of ams1/r1 is set.", "--max-up", "200Mbit")
	out := f.ok("limits")
	if strings.Contains(out, "No limits") || !strings.Contains(out, "location ams1/r1") || !strings.Contains(out, "unlimited  23.8 MiB/s") {
		t.Errorf("beside the limits of nodes: %s", out)
	}
	if all := decode[controlList](f, f.ok("limits", "--json")).Ceilings; len(all) != 1 || *all[0].MaxUp != 25e6 {
		t.Errorf("as JSON: %+v", all)
	}
	if out := f.ok("links", "set", "ams1/r1", "--max-up", "unlimited"); !strings.Contains(out, "is forgotten") || !said().Cleared {
		t.Errorf("the last ceiling is taken away: %s", out)
	}
	f.fails(exitUsage, []string{"zero never means unlimited"}, "links", "set", "ams1/r1", "--max-up", "0")
	f.fails(exitFailed, []string{"the root has no link"}, "links", "set", "/", "--max-up", "1Gbit")
}
