package storetest

import (
	"errors"
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
	said := func(l api.Link) store.LinkFacts { return store.LinkFacts{Record: &store.LinkRecord{Link: l}} }
	equal(t, "all", facts(t, s), map[unit.Location]store.LinkFacts{"ams": said(site), "ams/r1": said(rack)})
	equal(t, "some", facts(t, s, "ams/r1", "esy"), map[unit.Location]store.LinkFacts{"ams/r1": said(rack), "esy": {}})
	must(t, s.DeleteLink(c, "ams/r1", false))
	wantNotFound(t, s.DeleteLink(c, "ams/r1", false), "ams/r1")
	wantNotFound(t, s.DeleteLink(c, "esy", false), "esy")
	cleared := store.LinkRecord{Link: api.Link{Location: "ams/r1"}, Cleared: true}
	equal(t, "what is left", facts(t, s), map[unit.Location]store.LinkFacts{"ams": said(site), "ams/r1": {Record: &cleared}})
	must(t, s.DeleteLink(c, "esy", true))
	equal(t, "what only nodes knew", facts(t, s, "esy"), map[unit.Location]store.LinkFacts{"esy": {Record: &store.LinkRecord{Link: api.Link{Location: "esy"}, Cleared: true}}})
	must(t, s.PutLink(c, rack))
	equal(t, "declared again", facts(t, s, "ams/r1"), map[unit.Location]store.LinkFacts{"ams/r1": said(rack)})
	v.await("all changes", func(v *viewer) bool { return v.links > 0 && v.turns == 0 })
}

// swappedLinks: of two who have read the same, one is told that the other was first.
func swappedLinks(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	rate := int64(1 << 20)
	first := api.Link{Location: "ams/r1", Up: &rate, At: time.Now().UTC()}
	second := api.Link{Location: "ams/r1", Down: &rate, At: first.At.Add(time.Nanosecond)}
	contended := func(l api.Link, was time.Time) {
		t.Helper()
		if err := s.SwapLink(c, l, was); !errors.Is(err, store.ErrContended) {
			t.Errorf("in place of what was said at %v: %v", was, err)
		}
	}
	contended(first, first.At)
	must(t, s.SwapLink(c, first, time.Time{}))
	contended(second, time.Time{})
	must(t, s.SwapLink(c, second, first.At))
	contended(first, first.At)
	for _, was := range []time.Time{first.At, {}} {
		if err := s.SwapDeleteLink(c, "ams/r1", was, true); !errors.Is(err, store.ErrContended) {
			t.Errorf("taken back what was said at %v: %v", was, err)
		}
	}
	equal(t, "what nobody has read stays", facts(t, s), map[unit.Location]store.LinkFacts{"ams/r1": {Record: &store.LinkRecord{Link: second}}})
	must(t, s.PutReadings(c, store.LinkReading{Location: "ams/r1"}))
	must(t, s.SwapDeleteLink(c, "ams/r1", second.At, false))
	equal(t, "what is left", facts(t, s), map[unit.Location]store.LinkFacts{"ams/r1": {Record: &store.LinkRecord{Link: api.Link{Location: "ams/r1"}, Cleared: true}}})
	wantNotFound(t, s.SwapDeleteLink(c, "ams/r1", time.Time{}, false), "ams/r1")
	contended(first, second.At)
	must(t, s.SwapLink(c, first, time.Time{}))
	must(t, s.SwapDeleteLink(c, "ams/r1", first.At, true))
	must(t, s.SwapLink(c, first, time.Time{}))
	equal(t, "what is said", facts(t, s), map[unit.Location]store.LinkFacts{"ams/r1": {Record: &store.LinkRecord{Link: first}}})
}

// facts are what is known of links, of all without any.
func facts(t *testing.T, s *store.Store, of ...unit.Location) map[unit.Location]store.LinkFacts {
	t.Helper()
	a, err := s.AskLinks(ctx(t), store.LinkQuery{All: len(of) == 0, Facts: of})
	must(t, err)
	return a.Facts
}

// restoredLinks: what the store has, or was told to be taken back, stays as it is.
func restoredLinks(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	slow, fast := int64(1<<20), int64(1<<30)
	record := func(l string, rate *int64) store.LinkRecord {
		return store.LinkRecord{Link: api.Link{Location: l, Up: rate}, Cleared: rate == nil}
	}
	must(t, s.PutLink(c, record("ams", &slow).Link))
	must(t, s.PutLink(c, record("ams/r1", &slow).Link))
	must(t, s.DeleteLink(c, "ams/r1", false))
	put, err := s.RestoreLinks(c, []store.LinkRecord{record("ams", &fast), record("ams/r1", &fast), record("ams/r2", &fast), record("ams/r3", nil)})
	must(t, err)
	equal(t, "put", put, []unit.Location{"ams/r2", "ams/r3"})
	got := map[unit.Location]store.LinkRecord{}
	for l, f := range facts(t, s) {
		got[l] = *f.Record
	}
	equal(t, "all", got, map[unit.Location]store.LinkRecord{
		"ams": record("ams", &slow), "ams/r1": record("ams/r1", nil), "ams/r2": record("ams/r2", &fast), "ams/r3": record("ams/r3", nil)})
}

// readings grow old by the store's clock, and go with the link.
func readings(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	r := store.LinkReading{Location: "ams/r1", Source: "device x", Node: "a", Measured: true, UpCapacity: 100, UpOthers: 30, Age: time.Hour,
		Warnings: []api.LinkWarning{{Fault: "silent", Message: "no answer"}}}
	old, lies := r, r
	old.Location, old.Age = "ams/r2", 25*time.Hour // it is still known that somebody measures the link
	lies.Location, lies.UpOthers = "ams/r3", -1
	must(t, s.PutReadings(c, r, old, lies))
	all := facts(t, s)
	got := all["ams/r1"].Reading
	if got == nil || got.Age < r.Age || got.Age > r.Age+deadline {
		t.Fatalf("a reading of %v is %+v", r.Age, got)
	}
	r.Age = got.Age
	if got := all["ams/r2"].Reading; got == nil || got.Age < old.Age || got.UpCapacity != old.UpCapacity {
		t.Errorf("a reading of %v is %+v", old.Age, got)
	}
	if got := all["ams/r3"].Reading; got == nil || !got.Unreadable || got.Measured || got.UpOthers != 0 {
		t.Errorf("a reading that cannot be is %+v", got)
	}
	equal(t, "what can be believed", all["ams/r1"], store.LinkFacts{Reading: &r})
	must(t, s.DeleteLink(c, "ams/r1", false))
	if f := facts(t, s, "ams/r1")["ams/r1"]; f.Reading != nil {
		t.Errorf("what is left: %+v", f.Reading)
	}
}

// claims are those of all nodes on one link, and each node has one. They are told
// together with those on other links, and with what is known of links.
func claims(t *testing.T, b Backend) {
	s, c := b.open(t), ctx(t)
	first := store.LinkClaim{Node: "a", Up: map[string]unit.Rate{"normal": 1000}, MovedUp: 5}
	second := store.LinkClaim{Node: "b", Down: map[string]unit.Rate{"urgent": 7}, MovedDown: 1 << 40}
	type on = map[unit.Location][]store.LinkClaim
	ask := func(q store.LinkQuery, want on) store.LinkAnswer {
		t.Helper()
		a, err := s.AskLinks(c, q)
		must(t, err)
		got := on{}
		for l, all := range a.Claims {
			got[l] = ageless(t, all)
		}
		equal(t, "claims", got, want)
		return a
	}
	own := func(l unit.Location, c store.LinkClaim) store.LinkQuery {
		return store.LinkQuery{Own: map[unit.Location]store.LinkClaim{l: c}}
	}
	ask(own("ams/r1", first), on{"ams/r1": {first}})
	ask(own("ams/r1", second), on{"ams/r1": {first, second}})
	ask(own("ams", second), on{"ams": {second}})
	first.Up, first.MovedUp = nil, 9
	q := own("ams/r1", first)
	q.Facts, q.Claims = []unit.Location{"ams/r1"}, []unit.Location{"ams", "esy"}
	if a := ask(q, on{"ams/r1": {first, second}, "ams": {second}, "esy": {}}); len(a.Facts) != 1 {
		t.Errorf("facts beside claims: %+v", a.Facts)
	}
	if _, err := s.AskLinks(c, own("ams", store.LinkClaim{Node: "no name"})); err == nil {
		t.Error("a claim of nobody stands")
	}
}

func ageless(t *testing.T, claims []store.LinkClaim) []store.LinkClaim {
	t.Helper()
	claims = append([]store.LinkClaim{}, claims...)
	for i := range claims {
		if age := claims[i].Age; age < 0 || age > time.Minute {
			t.Errorf("the claim of %s is %v old", claims[i].Node, age)
		}
		claims[i].Age = 0
	}
	return claims
}
