package links

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// recordOf is what operators said of a link by the store, nil for nothing.
func recordOf(t testing.TB, s *store.Store, l unit.Location) *store.LinkRecord {
	t.Helper()
	answer, err := s.AskLinks(t.Context(), store.LinkQuery{Facts: []unit.Location{l}})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Facts[l].Record
}

// TestAFlushOfTheStore: links that were declared or measured stay limited while the
// store loses all that it has, and the store gets back what operators said of them,
// also of one on which nothing moves. So nodes hear of it that never did. What was
// taken back stays so.
func TestAFlushOfTheStore(t *testing.T) {
	t.Parallel()
	r, open := openStore(t)
	s, rate := open(), int64(100*mbit)
	raw := redis.NewClient(&redis.Options{Addr: r.Addr})
	t.Cleanup(func() { raw.Close() })
	flush := func() {
		t.Helper()
		if err := raw.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []string{"ams", "esy"} {
		if err := s.PutLink(t.Context(), link(l, rate, rate)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutReadings(t.Context(), store.LinkReading{Location: "ams/r1", Measured: true, UpCapacity: 50 * mbit, DownCapacity: 50 * mbit}); err != nil {
		t.Fatal(err)
	}
	var limited, opened atomic.Bool
	m := &mover{}
	m.seen = func() {
		if open := m.binding(1).Reason == bandwidth.Open || m.binding(2).Reason == bandwidth.Open; !open {
			limited.Store(true)
		} else if limited.Load() {
			opened.Store(true)
		}
	}
	start(t, open(), "n", m, nil)
	m.wants(1000 * mbit)
	eventually(t, "both limits", limited.Load)
	flush()
	for _, l := range []unit.Location{"ams", "esy"} {
		t.Logf("%s is declared again after %v", l, eventually(t, "the record", func() bool { return recordOf(t, s, l) != nil }))
		if got := recordOf(t, s, l); *got.Up != rate || got.Cleared {
			t.Errorf("%+v", got)
		}
	}
	late := &mover{}
	start(t, open(), "late", late, nil)
	late.wants(mbit)
	eventually(t, "a limit of who came late", func() bool { return late.binding(2).Capacity == 100*mbit })
	if opened.Load() {
		t.Error("a link had no limit for a while")
	}
	if err := s.DeleteLink(t.Context(), "ams", false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no limit", func() bool { return m.binding(2).Reason == bandwidth.Open && late.binding(2).Reason == bandwidth.Open })
	flush()
	eventually(t, "the other link", func() bool { return recordOf(t, s, "esy") != nil })
	eventually(t, "what was taken back", func() bool { got := recordOf(t, s, "ams"); return got != nil && got.Cleared })
	if b := m.binding(2); b.Reason != bandwidth.Open {
		t.Errorf("what was taken back counts: %v", b)
	}
}

// TestMeasuredOnceIsTakenBack: what the store has lost, and nobody measures any more, is
// taken back for good all the same.
func TestMeasuredOnceIsTakenBack(t *testing.T) {
	t.Parallel()
	r, open := openStore(t)
	s := open()
	raw := redis.NewClient(&redis.Options{Addr: r.Addr})
	t.Cleanup(func() { raw.Close() })
	put := store.LinkReading{Location: "ams", Source: "switch", Measured: true, UpCapacity: 10 * mbit, DownCapacity: 10 * mbit}
	if err := s.PutReadings(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	m := &mover{}
	start(t, open(), "n", m, nil)
	eventually(t, "a limit", func() bool { return m.binding(2).Reason != bandwidth.Open })
	if err := raw.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteLink(t.Context(), "ams", false); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("the store knows of it: %v", err)
	}
	if err := s.DeleteLink(t.Context(), "ams", true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no limit", func() bool { return m.binding(2).Reason == bandwidth.Open })
}

// TestWhatTheStoreSays: what it does not have any more it has lost, unless that was
// taken back.
func TestWhatTheStoreSays(t *testing.T) {
	t.Parallel()
	declared := &store.LinkRecord{Link: link("ams", 5, 5)}
	cleared := &store.LinkRecord{Link: api.Link{Location: "ams"}, Cleared: true}
	foreign := unreadable("ams")
	garbage := &store.LinkReading{Location: "ams", Unreadable: true}
	measured := &store.LinkReading{Location: "ams", Measured: true, Age: time.Second}
	for _, test := range []struct {
		name   string
		before stored
		says   store.LinkFacts
		at     time.Duration
		want   stored
	}{
		{"nothing", stored{}, store.LinkFacts{}, 0, stored{}},
		{"all", stored{}, store.LinkFacts{Record: declared, Reading: measured}, 5, stored{record: declared, reading: measured, read: 5}},
		{"all is lost", stored{record: declared, reading: measured}, store.LinkFacts{}, 5, stored{record: declared, reading: measured, lost: true}},
		{"the record is lost", stored{record: declared}, store.LinkFacts{Reading: measured}, 5, stored{record: declared, reading: measured, read: 5, lost: true}},
		{"the record is back", stored{record: declared, lost: true}, store.LinkFacts{Record: declared}, 5, stored{record: declared}},
		{"it is taken back", stored{record: declared, reading: measured}, store.LinkFacts{Record: cleared}, 5, stored{record: cleared}},
		{"it is taken back and measured", stored{record: declared}, store.LinkFacts{Record: cleared, Reading: measured}, 5, stored{record: cleared, reading: measured, read: 5}},
		{"what was taken back is lost", stored{record: cleared}, store.LinkFacts{}, 5, stored{record: cleared, lost: true}},
		{"it is lost with what was measured since", stored{record: cleared, reading: measured}, store.LinkFacts{}, 5, stored{record: cleared, reading: measured}},
		{"what another version said is lost", stored{record: foreign, unreadable: true}, store.LinkFacts{}, 5, stored{record: foreign, unreadable: true}},
		{"what was kept was damaged, and nothing was said", stored{record: foreign, unreadable: true, damaged: true}, store.LinkFacts{}, 5, stored{}},
		{"a reading cannot be read", stored{}, store.LinkFacts{Reading: garbage}, 5, stored{reading: garbage, read: 5}},
		{"it cannot be read any more", stored{record: cleared, reading: measured}, store.LinkFacts{Record: cleared, Reading: garbage}, 5, stored{record: cleared, reading: measured}},
		{"a reading is lost", stored{reading: measured}, store.LinkFacts{}, 5, stored{reading: measured}},
		{"a reading is lost for a day", stored{reading: measured}, store.LinkFacts{}, 25 * time.Hour, stored{reading: measured}},
	} {
		if got := test.before.learned(after(test.at), test.says); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// TestLostLinksAreListed with a warning while the store does not take them back.
func TestLostLinksAreListed(t *testing.T) {
	t.Parallel()
	declared := link("ams", 1e6, 1e6)
	m := &Manager{cfg: Config{Policy: bandwidth.DefaultPolicy()}}
	s := m.status(0, facts{location: "ams", declared: &declared, lost: true}, nil)
	if len(s.Warnings) != 1 || s.Warnings[0].Fault != string(bandwidth.FaultLost) || !strings.Contains(s.Warnings[0].Message, "has lost what was declared") {
		t.Errorf("%+v", s.Warnings)
	}
	if s.Up.Allowed() != 8e5 {
		t.Errorf("the budget is %v", s.Up)
	}
}

// TestWhatIsAskedOfTheStore: the own way at each turn while something is moved, and now
// and then otherwise; all links seldom, and sooner what could not be had.
func TestWhatIsAskedOfTheStore(t *testing.T) {
	t.Parallel()
	k := &knowledge{looked: map[unit.Location]unit.Time{}}
	path, now := []unit.Location{"ams/r1", "ams"}, unit.Time(0)
	ask := func(later time.Duration, busy, answered bool) (asked string) {
		now = now.Add(later)
		q := k.due(now, busy, path)
		if q.All {
			asked = "all"
		}
		if slices.Equal(q.Facts, path) {
			asked += "path"
		} else if len(q.Facts) > 0 {
			asked += "far"
		}
		if asked != "" {
			k.asked(now, q, path, answered)
		}
		return asked
	}
	const turn, changed = bandwidth.ClaimEvery, bandwidth.ClaimEvery + 1
	for i, step := range []struct {
		later    time.Duration
		busy     bool
		look     bool
		answered bool
		want     string
	}{
		{0, false, false, false, "all"}, // it is down
		{turn, false, false, false, ""},
		{time.Second, false, false, true, "all"},
		{turn, false, false, true, ""},
		{turn, true, false, true, "path"},
		{turn, true, false, false, "path"},
		{turn, true, false, true, "path"},
		{turn, false, false, true, ""},
		{turn, true, true, true, "far"},
		{turn, true, true, true, "path"},
		{time.Second, true, true, true, "far"},
		{5 * time.Second, true, true, true, "all"},
		{lookedFor + turn, true, false, true, "path"}, // nobody looks any more
		{5 * time.Second, false, false, true, "path"},
		{time.Minute, false, false, true, "all"},
		{turn, false, false, true, ""},
		{changed, false, false, true, "path"},
	} {
		if step.later == changed {
			k.changed()
		}
		if step.look {
			k.looked["esy"] = now
		}
		if got := ask(step.later, step.busy, step.answered); got != step.want {
			t.Errorf("step %d: asked for %q, want %q", i, got, step.want)
		}
	}
}
