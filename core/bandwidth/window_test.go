package bandwidth

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

func windows(t *testing.T, lines ...string) Windows {
	t.Helper()
	w, err := ParseWindows("Europe/Amsterdam", lines)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// at reads a civil time such as "mon 08:00".
func at(t *testing.T, s string) (time.Weekday, int) {
	t.Helper()
	day, clock, _ := strings.Cut(s, " ")
	d, err := parseDay(day)
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseClock(clock)
	if err != nil {
		t.Fatal(err)
	}
	return time.Weekday(d), m
}

func TestWindows(t *testing.T) {
	office := []string{"mon-fri 08:00-18:00 8Mbit"}
	weekend := []string{"fri 18:00-24:00 0", "sat,sun 00:00-24:00 0", "mon 00:00-08:00 0"}
	parts := []string{"daily 00:00-12:00 0", "daily 12:00-18:00 0 "}
	night := []string{"daily 22:00-06:00 unlimited", "otherwise 0"}
	for _, tt := range []struct {
		lines []string
		at    string
		rate  unit.Rate
		next  int
		text  string
	}{
		{office, "mon 07:59", unit.Unlimited, 1, ""},
		{office, "mon 08:00", 1e6, 600, "mon-fri 08:00-18:00 8Mbit"},
		{office, "fri 17:59", 1e6, 1, "mon-fri 08:00-18:00 8Mbit"},
		{office, "fri 18:00", unit.Unlimited, (2*24 + 14) * 60, ""},
		{office, "sun 12:00", unit.Unlimited, 20 * 60, ""},
		{night, "wed 21:59", 0, 1, "otherwise"},
		{night, "wed 22:00", unit.Unlimited, 8 * 60, ""},
		{night, "thu 05:59", unit.Unlimited, 1, ""},
		{night, "thu 06:00", 0, 16 * 60, "otherwise"},
		{[]string{"sat 22:00-06:00 1kB"}, "sun 05:00", 1000, 60, "sat 22:00-06:00 1kB"},
		{[]string{"sat 22:00-06:00 1kB"}, "sat 05:00", unit.Unlimited, 17 * 60, ""},
		{[]string{"sat 22:00-00:00 1kB"}, "sat 23:59", 1000, 1, "sat 22:00-00:00 1kB"},
		{[]string{"sat 22:00-00:00 1kB"}, "sun 00:00", unit.Unlimited, (6*24 + 22) * 60, ""},
		{[]string{"daily 00:00-24:00 2kB", "wed 09:00-10:00 5kB"}, "wed 09:30", 2000, 0, "daily 00:00-24:00 2kB"},
		{[]string{"daily 00:00-24:00 9kB", "wed 09:00-10:00 5kB"}, "wed 08:30", 9000, 30, "daily 00:00-24:00 9kB"},
		{[]string{"daily 00:00-24:00 9kB", "wed 09:00-10:00 5kB"}, "wed 09:30", 5000, 30, "wed 09:00-10:00 5kB"},
		{[]string{"fri-mon,wed 00:00-24:00 0"}, "sun 09:30", 0, (24+14)*60 + 30, "fri-mon,wed 00:00-24:00 0"},
		{[]string{"fri-mon,wed 00:00-24:00 0"}, "tue 09:30", unit.Unlimited, 14*60 + 30, ""},
		{weekend, "fri 18:00", 0, (2*24 + 14) * 60, "fri 18:00-mon 08:00 0"},
		{weekend, "sun 12:00", 0, 20 * 60, "fri 18:00-mon 08:00 0"},
		{weekend, "mon 07:59", 0, 1, "fri 18:00-mon 08:00 0"},
		{weekend, "mon 08:00", unit.Unlimited, (4*24 + 10) * 60, ""},
		{parts, "wed 13:00", 0, 5 * 60, "wed 00:00-18:00 0"},
		{parts[:1], "wed 11:00", 0, 60, "daily 00:00-12:00 0"},
		{[]string{"daily 22:00-24:00 0", "daily 00:00-06:00 0"}, "sat 23:00", 0, 7 * 60, "sat 22:00-sun 06:00 0"},
		{[]string{"sat 12:00-18:00 1kB", "sat 18:00-24:00 1kB"}, "sat 13:00", 1000, 11 * 60, "sat 12:00-24:00 1kB"},
		{[]string{"sat 12:00-18:00 1kB", "sat 18:00-24:00 2kB"}, "sat 13:00", 1000, 5 * 60, "sat 12:00-18:00 1kB"},
		{[]string{"sat 10:00-14:00 0", "sat 13:00-20:00 0"}, "sat 11:00", 0, 9 * 60, "sat 10:00-20:00 0"},
		{[]string{"daily 08:00-18:00 0", "mon 10:00-12:00 0"}, "mon 11:00", 0, 7 * 60, "daily 08:00-18:00 0"},
		{[]string{"mon-fri 00:00-24:00 0", "sat,sun 00:00-24:00 0"}, "mon 11:00", 0, 0, "daily 00:00-24:00 0"},
		{[]string{"sat 10:00-14:00 0", "mon 08:00-18:00 unlimited", "otherwise 0"}, "tue 11:00", 0, (5*24 + 21) * 60, "mon 18:00-mon 08:00 0"},
		{[]string{"", "  "}, "tue 09:30", unit.Unlimited, 0, ""},
		{nil, "tue 09:30", unit.Unlimited, 0, ""},
	} {
		w := windows(t, tt.lines...)
		day, minute := at(t, tt.at)
		b := w.At(day, minute, topo.Hop{}, true)
		if b.Rate != tt.rate || b.Binding.Text != tt.text || (b.Binding.Reason == Open) != (tt.rate == unit.Unlimited) {
			t.Errorf("%q at %s: %s", tt.lines, tt.at, b.Binding)
		}
		if next, ok := w.NextChange(day, minute); ok != (tt.next > 0) || ok && next != tt.next {
			t.Errorf("%q at %s: next change in %d (%v), want %d", tt.lines, tt.at, next, ok, tt.next)
		}
	}
}

func TestWindowsThatAreRefused(t *testing.T) {
	for line, says := range map[string]string{
		"mon 08:00-18:00":          "2 words",
		"mon 08:00-18:00 1 MB":     "4 words",
		"mo 08:00-18:00 1MB":       `day "mo"`,
		"mon- 08:00-18:00 1MB":     `day ""`,
		"mon,,tue 08:00-18:00 0":   `day ""`,
		"mon 08:00 1MB":            "no '-'",
		"mon 8-18 1MB":             `time "8"`,
		"mon 08:60-09:00 1MB":      `time "08:60"`,
		"mon 24:01-09:00 1MB":      `time "24:01"`,
		"mon -1:00-09:00 1MB":      "time",
		"mon +8:00-09:00 1MB":      "time",
		"mon 008:00-09:00 1MB":     "time",
		"mon 08:0-09:00 1MB":       "time",
		"mon 09:00-09:00 1MB":      "00:00-24:00",
		"mon 24:00-09:00 1MB":      "next day",
		"mon 08:00-09:00 fast":     "rate",
		"mon 08:00-09:00 -1MB":     "rate",
		"otherwise":                "1 words",
		"otherwise much":           "rate",
		"otherwise 0\x00":          "rate",
		"mon 08:00-09:00 1MB \x00": "4 words",
	} {
		if _, err := ParseWindows("UTC", []string{line}); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "write for example") {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := ParseWindows("UTC", []string{"otherwise 0", "otherwise 1MB"}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("twice: %v", err)
	}
	for _, zone := range []string{"", "Local", "/etc/passwd", "../x", "a b"} {
		if _, err := ParseWindows(zone, nil); err == nil {
			t.Errorf("zone %q is accepted", zone)
		}
	}
}

// What can be read means something at every minute of the week, changes when it
// says so, and can be written and read again.
func FuzzParseWindows(f *testing.F) {
	for _, s := range []string{
		"mon-fri 08:00-18:00 20Mbit", "daily 22:00-06:00 unlimited\notherwise 0", "sat,sun 00:00-24:00 0",
		"sun-sat 00:00-00:00 1MB", "fri-mon 23:59-00:00 1kbit\n\nMON 1:00-2:00 3GiB/s", "otherwise 5",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := ParseWindows("UTC", strings.Split(s, "\n"))
		if err != nil || len(w.List) > 20 {
			return
		}
		var lines []string
		for i := range w.List {
			lines = append(lines, w.List[i].String())
		}
		again, err := ParseWindows("UTC", lines)
		if again.Otherwise = w.Otherwise; err != nil || !slices.Equal(again.List, w.List) {
			t.Fatalf("%q is read back as %+v, %v", lines, again.List, err)
		}
		for _, start := range []int{0, 1, 8 * 60, weekMinutes - 1} {
			day := func(t int) (time.Weekday, int, topo.Hop, bool) {
				return time.Weekday(t / dayMinutes % 7), t % dayMinutes, topo.Hop{}, true
			}
			now := w.At(day(start)).Rate
			if now < 0 {
				t.Fatalf("%q: %d", lines, now)
			}
			next, ok := w.NextChange(time.Weekday(start/dayMinutes), start%dayMinutes)
			for in := 1; in < weekMinutes; in++ {
				changed := w.At(day(start+in)).Rate != now
				if ok && in == next {
					if !changed {
						t.Fatalf("%q: nothing changes %d after %d", lines, next, start)
					}
					break
				}
				if changed {
					t.Fatalf("%q: a change %d after %d, not %d (%v)", lines, in, start, next, ok)
				}
			}
		}
	})
}
