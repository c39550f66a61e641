package restore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

func TestFire(t *testing.T) {
	at := func(clock string) time.Time {
		if clock == "" {
			return time.Time{}
		}
		v, err := time.Parse("2 15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return v.AddDate(2026, 10, 0)
	}
	for _, c := range []struct {
		name, when, nextDue, now string
		paused                   bool
		due, missed, next        string
	}{
		{"not yet", "0 2 * * *", "5 02:00:00", "5 01:59:59", false, "", "", "5 02:00:00"},
		{"on time", "0 2 * * *", "5 02:00:00", "5 02:00:00", false, "5 02:00:00", "", "6 02:00:00"},
		{"a little late", "0 2 * * *", "5 02:00:00", "5 02:01:59", false, "5 02:00:00", "", "6 02:00:00"},
		{"missed", "0 2 * * *", "5 02:00:00", "5 02:03:00", false, "", "5 02:00:00", "6 02:00:00"},
		{"missed for days, due now", "0 2 * * *", "1 02:00:00", "5 02:00:30", false, "5 02:00:00", "1 02:00:00", "6 02:00:00"},
		{"every minute, late", "* * * * *", "5 02:00:00", "5 02:01:10", false, "5 02:01:00", "5 02:00:00", "5 02:02:00"},
		{"paused", "0 2 * * *", "5 02:00:00", "5 02:00:30", true, "", "", "6 02:00:00"},
		{"never seen", "0 2 * * *", "", "5 02:00:30", false, "", "", "6 02:00:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Fire(api.Schedule{When: c.when, NextDue: at(c.nextDue), Paused: c.paused}, at(c.now))
			want := Firing{Due: at(c.due), Missed: at(c.missed), Next: at(c.next)}
			if err != nil || !got.Due.Equal(want.Due) || !got.Missed.Equal(want.Missed) || !got.Next.Equal(want.Next) {
				t.Errorf("got %+v, want %+v, %v", got, want, err)
			}
		})
	}
	if _, err := Fire(api.Schedule{When: "soon"}, at("5 02:00:00")); err == nil {
		t.Error("a malformed schedule fires")
	}
}

func TestOutdated(t *testing.T) {
	now := start
	ago := func(id string, d time.Duration) api.Run {
		return api.Run{ID: id, Phase: api.RunComplete, FinishedAt: now.Add(-d)}
	}
	runs := []api.Run{{ID: "old but under way", Phase: api.RunCleaning, CreatedAt: now.AddDate(-1, 0, 0)}, ago("old", 31*24*time.Hour)}
	for i := range 99 {
		runs = append(runs, ago(fmt.Sprintf("r%02d", i), time.Duration(i)*time.Minute))
	}
	runs = append(runs, ago("the 100th", 2*time.Hour), ago("the 101st", 3*time.Hour))
	unfinished := ago("the 102nd, with a hold on the log", 4*time.Hour)
	unfinished.Error = &api.Error{Code: api.CodeNodeLost}
	runs = append(runs, unfinished)
	if got := Outdated(runs, now); !slices.Equal(got, []string{"the 101st", "old"}) {
		t.Errorf("got %q", got)
	}
}

func TestWhoIsUnderWay(t *testing.T) {
	b := &api.Backup{ID: "b"}
	runs := []api.Run{{ID: "done", Phase: api.RunComplete, Backup: b, Schedule: "s"}, {ID: "other", Phase: api.RunRolling}}
	if u, o := User(runs, "b", ""), Overlap(runs, "s"); u != "" || o != "" {
		t.Errorf("used by %q, overlaps %q", u, o)
	}
	runs = append(runs, api.Run{ID: "now", Phase: api.RunCopying, Backup: b, Schedule: "s"})
	if u, o := User(runs, "b", ""), Overlap(runs, "s"); u != "now" || o != "now" {
		t.Errorf("used by %q, overlaps %q", u, o)
	}
	if u := User(runs, "b", "now"); u != "" {
		t.Errorf("without itself: used by %q", u)
	}
}
