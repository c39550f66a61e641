package api

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// moving is a distribution that is right but for its windows.
func moving(zone string, windows ...string) Distribution {
	return Distribution{Name: "site", Digest: "sha256:" + strings.Repeat("0", 64), Path: "/srv/site", TimeZone: zone, Windows: windows}
}

func amount(n int64) *int64 { return &n }

// What cannot be is refused, and the field named, with what to write.
func TestTrafficRefusals(t *testing.T) {
	change := func(fn func(*Distribution)) Distribution { d := moving(""); fn(&d); return d }
	many := make([]string, maxWindows+1)
	for i := range many {
		many[i] = "mon 08:00-09:00 1Mbit"
	}
	for _, c := range []struct {
		d              Distribution
		field, message string
	}{
		{change(func(d *Distribution) { d.Priority = "high" }), "priority", `"high"`},
		{change(func(d *Distribution) { d.MaxDownload = amount(0) }), "max_download", "never means unlimited"},
		{change(func(d *Distribution) { d.MaxUpload = amount(-1) }), "max_upload", "negative"},
		{moving("Mars/Olympus", "daily 08:00-18:00 1Mbit"), "time_zone", "Mars/Olympus"},
		{moving("Local", "daily 08:00-18:00 1Mbit"), "time_zone", "Local"},
		{moving("../etc/passwd"), "time_zone", "passwd"},
		{moving("", "daily 08:00-18:00 1Mbit", "fry 08:00-18:00 1Mbit"), "windows[1]", `day "fry"`},
		{moving("", "daily 08:00-25:00 1Mbit"), "windows[0]", `time "25:00"`},
		{moving("", "daily 08:00-18:00 fast"), "windows[0]", `rate "fast"`},
		{moving("", "daily 08:00-18:00 20"), "windows[0]", "20 of what?"},
		{moving("", "daily 08:00-18:00"), "windows[0]", "2 words"},
		{moving("", "otherwise 1Mbit", "otherwise 2Mbit"), "windows[1]", "there twice"},
		{moving("", "daily 08:00-18:00 1Mbit", " "), "windows[1]", "empty"},
		{moving("", strings.Repeat("mon,", 40)+"mon 08:00-18:00 1Mbit"), "windows[0]", "at most 128"},
		{moving("", many...), "windows", "65 lines"},
	} {
		err := c.d.Validate()
		var e *Error
		if !errors.As(err, &e) || e.Subject != c.field || !strings.Contains(e.Message, c.message) || e.Fix == "" || e.Code != CodeInvalid {
			t.Errorf("%s: %+v, want %s: %s", c.field, e, c.field, c.message)
		}
	}
	fine := moving("Europe/Amsterdam", "mon-fri 08:00-18:00 20Mbit", "sat,sun 00:00-24:00 unlimited", "daily 22:00-06:00 0", "otherwise 1MiB/s")
	fine.Priority, fine.MaxDownload = "urgent", amount(1)
	if err := fine.Validate(); err != nil {
		t.Error(err)
	}
	if err := moving("UTC").Validate(); err != nil {
		t.Error(err)
	}
}

// The rate follows the civil time of the zone, also where clocks change.
func TestTimetable(t *testing.T) {
	d := moving("Europe/Amsterdam", "daily 08:00-18:00 8Mbit", "otherwise 80Mbit")
	table, err := d.Timetable()
	if err != nil || !table.Any() {
		t.Fatal(err)
	}
	const slow, fast = unit.Rate(1e6), unit.Rate(1e7)
	for _, c := range []struct {
		at    string
		rate  unit.Rate
		until string
	}{
		{"2026-01-15T06:59:59Z", fast, "Thu 08:00 Europe/Amsterdam"},
		{"2026-01-15T07:00:00Z", slow, "Thu 18:00 Europe/Amsterdam"}, // winter: one hour ahead
		{"2026-01-15T17:00:00Z", fast, "Fri 08:00 Europe/Amsterdam"},
		{"2026-03-28T07:00:00Z", slow, "Sat 18:00 Europe/Amsterdam"},
		{"2026-03-29T06:00:00Z", slow, "Sun 18:00 Europe/Amsterdam"}, // clocks went forward in the night
		{"2026-10-25T06:59:00Z", fast, "Sun 08:00 Europe/Amsterdam"}, // and back
	} {
		now, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		b := table.At(now, true)
		if b.Rate != c.rate || b.Binding.Reason != bandwidth.Window || !b.Binding.Hop.Up || !b.Binding.OfTransfer || table.Until(now) != c.until {
			t.Errorf("%s: %v until %q, want %v until %q", c.at, b, table.Until(now), c.rate, c.until)
		}
	}
	var none Timetable
	if b := none.At(time.Now(), false); none.Any() || b.Rate != unit.Unlimited || none.Until(time.Now()) != "" {
		t.Errorf("without windows: %v until %q", b, none.Until(time.Now()))
	}
	always, err := moving("", "daily 00:00-24:00 1Mbit").Timetable()
	if err != nil || always.Until(time.Now()) != "" {
		t.Errorf("a rate that never changes lasts until %q, %v", always.Until(time.Now()), err)
	}
}

func TestParseCeiling(t *testing.T) {
	for text, want := range map[string]*int64{"8Mbit": amount(1e6), "1MiB/s": amount(1 << 20), "7B/s": amount(7), "unlimited": nil} {
		got, err := ParseCeiling("max_upload", text)
		if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{"": "no rate", "fast": "no rate", "-1MiB/s": "no rate", "0": "never means", "0Mbit": "never means", "10": "10 of what?"} {
		_, err := ParseCeiling("max_upload", text)
		var e *Error
		if !errors.As(err, &e) || e.Subject != "max_upload" || !strings.Contains(e.Message, want) || e.Fix == "" {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestRank(t *testing.T) {
	for priority, want := range map[string]bandwidth.Rank{
		"": bandwidth.Normal, PriorityBackground: bandwidth.Background, PriorityNormal: bandwidth.Normal, PriorityUrgent: bandwidth.Urgent,
		"of a later version": bandwidth.Normal,
	} {
		if rank := (Distribution{Priority: priority}).Rank(); rank != want {
			t.Errorf("%q is %v, want %v", priority, rank, want)
		}
	}
}

func TestSameTraffic(t *testing.T) {
	base := moving("", "daily 08:00-18:00 1Mbit")
	for name, c := range map[string]struct {
		change func(*Distribution)
		same   bool
	}{
		"nothing":      {func(*Distribution) {}, true},
		"defaults":     {func(d *Distribution) { d.Priority, d.TimeZone = "normal", "UTC" }, true},
		"priority":     {func(d *Distribution) { d.Priority = "urgent" }, false},
		"max_download": {func(d *Distribution) { d.MaxDownload = amount(1) }, false},
		"max_upload":   {func(d *Distribution) { d.MaxUpload = amount(1) }, false},
		"windows":      {func(d *Distribution) { d.Windows = nil }, false},
		"time_zone":    {func(d *Distribution) { d.TimeZone = "Asia/Tokyo" }, false},
	} {
		o := base
		c.change(&o)
		if base.SameTraffic(o) != c.same || o.SameTraffic(base) != c.same {
			t.Errorf("%s: the same traffic: %v", name, !c.same)
		}
		if !base.SameTask(o) {
			t.Errorf("%s: nodes would begin anew", name)
		}
	}
	zone := moving("Asia/Tokyo")
	if !zone.SameTraffic(moving("")) {
		t.Error("a time zone counts without windows")
	}
}
