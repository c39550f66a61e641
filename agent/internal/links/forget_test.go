package links

import (
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// rememberer is the knowledge of a node at ams/r1 at times that the test says.
type rememberer struct {
	*knowledge
	now unit.Time
}

// newRememberer starts a node at a time of the clock on the wall.
func newRememberer(file string, at time.Time) *rememberer {
	r := &rememberer{}
	r.knowledge = &knowledge{clock: func() unit.Time { return r.now }, epoch: at, own: map[unit.Location]bool{"ams": true, "ams/r1": true},
		keeper: keeper{file: file}, log: slog.New(slog.DiscardHandler), looked: map[unit.Location]unit.Time{}}
	r.recall([]unit.Location{"ams/r1", "ams"})
	return r
}

// hears has the store say all that it knows, after a while, and what is known kept.
func (r *rememberer) hears(after time.Duration, facts map[unit.Location]store.LinkFacts) {
	r.now = r.now.Add(after)
	r.learn(true, facts)
	r.keep(true)
}

func (r *rememberer) wants(t *testing.T, when string, want ...unit.Location) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(r.links)); !slices.Equal(got, want) {
		t.Errorf("%s %q is known, want %q", when, got, want)
	}
}

// measuredLinks is what a store says that knows readings only.
func measuredLinks(all ...unit.Location) map[unit.Location]store.LinkFacts {
	facts := map[unit.Location]store.LinkFacts{}
	for _, l := range all {
		facts[l] = store.LinkFacts{Reading: &store.LinkReading{Location: l, Source: "device x", UpCapacity: mbit}}
	}
	return facts
}

// TestWhatTheStoreSaysNoMoreIsForgotten: a day after it said it last, unless it is of one of
// the node's own uplinks; and all that it says stays.
func TestWhatTheStoreSaysNoMoreIsForgotten(t *testing.T) {
	t.Parallel()
	r := newRememberer("", time.Unix(1e9, 0))
	all := measuredLinks("ams", "ams/r1", "esy", "fra")
	declared := link("lon", int64(mbit), int64(mbit))
	all["lon"] = store.LinkFacts{Record: &store.LinkRecord{Link: declared}}
	r.hears(0, all)
	r.hears(48*time.Hour, all)
	left := measuredLinks("esy")
	r.hears(time.Second, left)
	r.hears(forgetAfter-time.Second, left)
	r.wants(t, "before a day has passed", "ams", "ams/r1", "esy", "fra", "lon")
	r.hears(0, measuredLinks("esy", "fra"))
	r.hears(time.Second, left)
	r.wants(t, "of what was said again meanwhile", "ams", "ams/r1", "esy", "fra")
	r.hears(forgetAfter-time.Second, left)
	r.wants(t, "before a day has passed again", "ams", "ams/r1", "esy", "fra")
	r.hears(time.Second, left)
	r.wants(t, "at last", "ams", "ams/r1", "esy")
}

// TestAReadingBesideARecordIsForgotten: the record, which the store has, stays.
func TestAReadingBesideARecordIsForgotten(t *testing.T) {
	t.Parallel()
	r := newRememberer("", time.Unix(1e9, 0))
	all := measuredLinks("esy")
	said := &store.LinkRecord{Link: link("esy", int64(mbit), int64(mbit))}
	r.hears(0, map[unit.Location]store.LinkFacts{"esy": {Record: said, Reading: all["esy"].Reading}})
	only := map[unit.Location]store.LinkFacts{"esy": {Record: said}}
	r.hears(time.Second, only)
	if r.of("esy").reading == nil {
		t.Fatal("the reading is forgotten at once")
	}
	r.hears(forgetAfter, only)
	if f := r.of("esy"); f.reading != nil || f.declared == nil || f.lost {
		t.Errorf("a day later: %+v", f)
	}
}

// TestTheDayGoesOnOverRestarts, and begins when the store is heard first after the start of
// an agent whose file does not tell since when.
func TestTheDayGoesOnOverRestarts(t *testing.T) {
	t.Parallel()
	began := time.Unix(1e9, 0)
	missed := func(at time.Time) map[unit.Location]time.Time {
		return map[unit.Location]time.Time{"esy": at, "ams": at}
	}
	for name, c := range map[string]struct {
		missed map[unit.Location]time.Time
		left   time.Duration // of the day
	}{
		"an older file":  {nil, forgetAfter},
		"half a day ago": {missed(began.Add(-12 * time.Hour)), 12 * time.Hour},
		"two days ago":   {missed(began.Add(-48 * time.Hour)), 0},
		"at no time":     {missed(time.Time{}), 0},
		"in a year":      {missed(began.AddDate(1, 0, 0)), forgetAfter},
		"of no link":     {map[unit.Location]time.Time{"fra": began.Add(-48 * time.Hour)}, forgetAfter},
	} {
		file := filepath.Join(t.TempDir(), "links.json")
		k := kept{Declared: []api.Link{}, Missed: c.missed, Sources: []store.LinkReading{{Location: "ams", UpCapacity: mbit}, {Location: "esy", UpCapacity: mbit}}}
		if err := (&keeper{file: file}).save(k, false); err != nil {
			t.Fatal(err)
		}
		r := newRememberer(file, began)
		r.wants(t, name+", until the store answers", "ams", "esy")
		if r.hears(0, nil); c.left > 0 {
			r.hears(c.left-time.Second, nil)
			r.wants(t, name+", not yet", "ams", "esy")
			r.hears(time.Second, nil)
		}
		r.wants(t, name+", at last", "ams")
	}
}

// TestSinceWhenTheStoreIsSilentIsKept, once: the file is not written anew at each answer.
func TestSinceWhenTheStoreIsSilentIsKept(t *testing.T) {
	t.Parallel()
	file, began := filepath.Join(t.TempDir(), "links.json"), time.Unix(1e9, 0)
	r := newRememberer(file, began)
	r.hears(0, measuredLinks("esy"))
	if len(r.keeper.last.Missed) > 0 {
		t.Errorf("what the store says is missed: %+v", r.keeper.last)
	}
	for range 3 {
		r.hears(time.Hour, nil)
		if at := r.keeper.last.Missed["esy"]; !at.Equal(began.Add(time.Hour)) {
			t.Errorf("missed since %v", at)
		}
	}
	again := newRememberer(file, began.Add(20*time.Hour))
	again.hears(0, nil)
	again.wants(t, "19 hours later", "esy")
	again.hears(5*time.Hour, nil)
	again.wants(t, "a day later")
}
