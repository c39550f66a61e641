package storetest

import (
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

func links(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	v := watch(t, s)
	rate, part := int64(1<<20), 0.3
	rack, site := api.Link{Location: "ams/r1", Up: &rate}, api.Link{Location: "ams", Reserve: &part}
	must(t, s.PutLink(c, rack))
	rack.Down = &rate
	must(t, s.PutLink(c, rack))
	must(t, s.PutLink(c, site))
	got, err := s.Links(c)
	must(t, err)
	equal(t, "by location", got, []api.Link{site, rack})
	must(t, s.DeleteLink(c, "ams/r1"))
	wantNotFound(t, s.DeleteLink(c, "ams/r1"), "ams/r1")
	got, err = s.Links(c)
	must(t, err)
	equal(t, "what is left", got, []api.Link{site})
	v.await("all changes", func(v *viewer) bool { return v.turns > 0 })
}

// readings grow old by the store's clock, and go with the link.
func readings(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	r := store.LinkReading{Location: "ams/r1", Source: "device x", Node: "a", Measured: true, UpCapacity: 100, UpOthers: 30, Age: time.Hour,
		Warnings: []api.LinkWarning{{Fault: "silent", Message: "no answer"}}}
	old, lies := r, r
	old.Location, old.Age = "ams/r2", 25*time.Hour
	lies.Location, lies.UpOthers = "ams/r3", -1
	for _, put := range []store.LinkReading{r, old, lies} {
		must(t, s.PutReading(c, put))
	}
	all, err := s.Readings(c)
	must(t, err)
	got := all["ams/r1"]
	if got.Age < r.Age || got.Age > r.Age+deadline {
		t.Errorf("a reading of %v is %v old", r.Age, got.Age)
	}
	r.Age = got.Age
	equal(t, "what can be believed", all, map[unit.Location]store.LinkReading{"ams/r1": r})
	must(t, s.DeleteLink(c, "ams/r1"))
	all, err = s.Readings(c)
	must(t, err)
	equal(t, "what is left", len(all), 0)
}

// claims are those of all nodes on one link, and each node has one.
func claims(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	first := store.LinkClaim{Node: "a", Up: map[string]unit.Rate{"normal": 1000}, MovedUp: 5}
	second := store.LinkClaim{Node: "b", Down: map[string]unit.Rate{"urgent": 7}, MovedDown: 1 << 40}
	claim := func(l unit.Location, put store.LinkClaim, want ...store.LinkClaim) {
		t.Helper()
		got, err := s.Claim(c, l, put)
		must(t, err)
		equal(t, "claims on "+string(l), ageless(t, got), want)
	}
	claim("ams/r1", first, first)
	claim("ams/r1", second, first, second)
	claim("ams", second, second)
	first.Up, first.MovedUp = nil, 9
	claim("ams/r1", first, first, second)
	got, err := s.Claims(c, "ams/r1")
	must(t, err)
	equal(t, "claims that are only read", ageless(t, got), []store.LinkClaim{first, second})
	if _, err := s.Claim(c, "ams", store.LinkClaim{Node: "no name"}); err == nil {
		t.Error("a claim of nobody stands")
	}
}

func ageless(t *testing.T, claims []store.LinkClaim) []store.LinkClaim {
	t.Helper()
	for i := range claims {
		if age := claims[i].Age; age < 0 || age > time.Minute {
			t.Errorf("the claim of %s is %v old", claims[i].Node, age)
		}
		claims[i].Age = 0
	}
	return claims
}
