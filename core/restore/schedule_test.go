package restore_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rackswarm/rackswarm/core/api"
	. "github.com/rackswarm/rackswarm/core/restore"
)

func nightly() api.Schedule { return api.Schedule{Name: "nightly", When: "0 2 * * *", Run: seed()} }

func TestValidateSchedule(t *testing.T) {
	for _, c := range []struct {
		field  string
		change func(s *api.Schedule)
	}{
		{"", func(*api.Schedule) {}},
		{"", func(s *api.Schedule) { s.When, s.TimeZone = "@daily", "Europe/Berlin" }},
		{"", func(s *api.Schedule) { s.When = "*/5 0-6 1,15 JAN-MAR MON" }},
		{"name", func(s *api.Schedule) { s.Name = "" }},
		{"name", func(s *api.Schedule) { s.Name = "a/b" }},
		{"name", func(s *api.Schedule) { s.Name = strings.Repeat("a", 44) }},
		{"when", func(s *api.Schedule) { s.When = "" }},
		{"when", func(s *api.Schedule) { s.When = "0 2 * *" }},
		{"when", func(s *api.Schedule) { s.When = "0 0 2 * * *" }},
		{"when", func(s *api.Schedule) { s.When = "61 2 * * *" }},
		{"when", func(s *api.Schedule) { s.When = "@every 1h" }},
		{"when", func(s *api.Schedule) { s.When = "TZ=0" }},
		{"when", func(s *api.Schedule) { s.When = "CRON_TZ=Europe/Berlin 0 2 * * *" }},
		{"when", func(s *api.Schedule) { s.When = "0 2 30 2 *" }}, // never due
		{"time_zone", func(s *api.Schedule) { s.TimeZone = "Europe/Atlantis" }},
		{"time_zone", func(s *api.Schedule) { s.TimeZone = "Local" }},
		{"run.id", func(s *api.Schedule) { s.Run.ID = "r1" }},
		{"run.copies.name", func(s *api.Schedule) { s.Run.Copies.Name = "b1" }},
		{"run.restore.as", func(s *api.Schedule) { s.Run.Restore.As = "" }},
	} {
		s := nightly()
		c.change(&s)
		err := ValidateSchedule(s)
		e := apiError(err)
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%+v is refused: %v", s, err)
		case c.field != "" && (e == nil || e.Subject != c.field || e.Fix == ""):
			t.Errorf("%s: got %#v", c.field, err)
		}
	}
}

func TestNextDue(t *testing.T) {
	for _, c := range []struct{ when, zone, after, want string }{
		{"0 2 * * *", "", "2026-11-22T01:59:59Z", "2026-11-22T02:00:00Z"},
		{"0 2 * * *", "", "2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z"},
		{"0 2 * * *", "Europe/Berlin", "2026-11-22T00:30:00Z", "2026-11-22T01:00:00Z"},
		{"0 2 * * *", "Europe/Berlin", "2026-07-01T12:00:00Z", "2026-07-02T00:00:00Z"},
		{"@weekly", "", "2026-11-18T00:00:00Z", "2026-11-22T00:00:00Z"},
		{"0 0 29 2 *", "", "2026-11-22T00:00:00Z", "2028-02-29T00:00:00Z"},
	} {
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		got, err := NextDue(api.Schedule{When: c.when, TimeZone: c.zone}, after)
		if err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%s in %q after %s: %s, %v, want %s", c.when, c.zone, c.after, got, err, c.want)
		}
	}
	if _, err := NextDue(api.Schedule{When: "nonsense"}, start); err == nil {
		t.Error("nonsense is due")
	}
}

// A time that is due lies ahead, and its run's ID is one.
func TestScheduledID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := nightly()
		s.When = rapid.SampledFrom([]string{"* * * * *", "17 */3 * * *", "@daily", "30 2 * * SUN"}).Draw(t, "when")
		s.TimeZone = rapid.SampledFrom([]string{"", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"}).Draw(t, "zone")
		after := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "after"), 0)
		due, err := NextDue(s, after)
		if err != nil || !due.After(after) || due.Sub(after) > 8*24*time.Hour {
			t.Fatalf("after %v: %v, %v", after, due, err)
		}
		r := seed()
		if r.ID = ScheduledID(s.Name, due); Validate(r) != nil {
			t.Fatalf("ID %s: %v", r.ID, Validate(r))
		}
	})
}

func FuzzSchedule(f *testing.F) {
	f.Add("0 2 * * *", "Europe/Berlin")
	f.Add("TZ=0", "")
	f.Add("@every 1h", "../etc/passwd")
	f.Fuzz(func(t *testing.T, when, zone string) {
		s := nightly()
		s.When, s.TimeZone = when, zone
		if ValidateSchedule(s) != nil {
			return
		}
		if due, err := NextDue(s, start); err != nil || !due.After(start) {
			t.Errorf("%q in %q: valid, and due %v, %v", when, zone, due, err)
		}
	})
}

func TestExpired(t *testing.T) {
	day := func(n int, verified bool) api.Backup {
		b := api.Backup{ID: "b" + string(rune('0'+n)), TakenAt: start.AddDate(0, 0, -n)}
		if verified {
			b.VerifiedAt = b.TakenAt
		}
		return b
	}
	all := []api.Backup{day(3, true), day(1, false), day(5, true), day(2, false), day(4, true)}
	for _, c := range []struct {
		name string
		keep api.Retention
		used string
		want string
	}{
		{"a zero retention keeps all", api.Retention{}, "", ""},
		{"the newest two, and the newest that was verified", api.Retention{Last: 2}, "", "b5 b4"},
		{"the newest four", api.Retention{Last: 4}, "", "b5"},
		{"those of three days", api.Retention{Days: 3}, "", "b5 b4"},
		{"of two days, or the newest four", api.Retention{Last: 4, Days: 2}, "", "b5"},
		{"one that is in use", api.Retention{Last: 1}, "b5", "b4 b2"},
	} {
		var got []string
		for _, b := range Expired(all, c.keep, func(id string) bool { return id == c.used }, start) {
			got = append(got, b.ID)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v go, want %s", c.name, got, c.want)
		}
	}
}
