package bandwidth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	dayMinutes  = 24 * 60
	weekMinutes = 7 * dayMinutes
)

// TimeWindow is a rate that holds on some days from one time of the day to
// another. One that ends before it begins ends on the next day.
type TimeWindow struct {
	Days     [7]bool // on which it begins, by time.Weekday
	From, To int     // minutes of the day: From from 0 to 1439, To from 1 to 1440
	Rate     unit.Rate
	text     string
}

// Windows are the time windows of a distribution or of a location, in the civil
// time of one time zone. Outside of all windows Otherwise holds; where windows
// overlap, the lowest rate does.
type Windows struct {
	Zone      string // an IANA name such as "Europe/Amsterdam"; who asks computes the civil time
	List      []TimeWindow
	Otherwise unit.Rate
}

var errTwice = errors.New("otherwise is there twice; keep one")

// ParseWindows reads windows such as "mon-fri 08:00-18:00 20Mbit", "sat,sun
// 00:00-24:00 unlimited" or "daily 22:00-06:00 0", one in each line, and the zone
// that their times are in. "otherwise RATE" says what holds outside of all
// windows, unlimited if it is missing. Lines without words are left out.
func ParseWindows(zone string, lines []string) (Windows, error) {
	w := Windows{Zone: zone, Otherwise: unit.Unlimited}
	if err := checkZone(zone); err != nil {
		return Windows{}, err
	}
	otherwise := false
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		fields[0] = strings.ToLower(fields[0]) // but not the rate, whose b and B differ
		switch {
		case fields[0] == "otherwise" && otherwise:
			return Windows{}, fmt.Errorf("window %q: %w", line, errTwice)
		case fields[0] == "otherwise" && len(fields) == 2:
			r, err := unit.ParseRate(fields[1])
			if err != nil {
				return Windows{}, fmt.Errorf("window %q: %w", line, err)
			}
			w.Otherwise, otherwise = r, true
			continue
		}
		one, err := parseWindow(fields)
		if err != nil {
			return Windows{}, fmt.Errorf("window %q: %w; write for example mon-fri 08:00-18:00 20Mbit", line, err)
		}
		one.text = strings.Join(strings.Fields(line), " ")
		w.List = append(w.List, one)
	}
	return w, nil
}

// checkZone refuses what cannot be the name of a time zone, and "Local", which
// is another one on each node.
func checkZone(zone string) error {
	if zone == "" || strings.EqualFold(zone, "local") || strings.ContainsAny(zone, " \t\r\n\\") ||
		strings.HasPrefix(zone, "/") || strings.Contains(zone, "..") {
		return fmt.Errorf("time zone %q: write for example UTC or Europe/Amsterdam", zone)
	}
	return nil
}

func parseWindow(fields []string) (TimeWindow, error) {
	var w TimeWindow
	if len(fields) != 3 {
		return w, fmt.Errorf("%d words instead of days, times and a rate", len(fields))
	}
	if err := w.parseDays(fields[0]); err != nil {
		return w, err
	}
	from, to, ok := strings.Cut(fields[1], "-")
	if !ok {
		return w, fmt.Errorf("times %q have no '-' between them", fields[1])
	}
	var err error
	if w.From, err = parseClock(from); err != nil {
		return w, err
	}
	if w.To, err = parseClock(to); err != nil {
		return w, err
	}
	if w.From == dayMinutes {
		return w, fmt.Errorf("it begins at 24:00, which is 00:00 of the next day")
	}
	if w.From == w.To {
		return w, fmt.Errorf("it ends when it begins; the whole day is 00:00-24:00")
	}
	if w.To == 0 {
		w.To = dayMinutes
	}
	w.Rate, err = unit.ParseRate(fields[2])
	return w, err
}

var weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// parseDays reads "daily", "mon", "mon,wed" or "fri-mon,wed".
func (w *TimeWindow) parseDays(s string) error {
	if s == "daily" {
		s = "sun-sat"
	}
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := parseDay(first)
		if err != nil {
			return err
		}
		to, err := parseDay(last)
		if err != nil {
			return err
		}
		for d := from; ; d = (d + 1) % 7 {
			w.Days[d] = true
			if d == to {
				break
			}
		}
	}
	return nil
}

func parseDay(s string) (int, error) {
	for i, name := range weekdays {
		if s == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("day %q is none of mon, tue, wed, thu, fri, sat, sun and daily", s)
}

// parseClock reads a time of the day from 00:00 to 24:00 as minutes.
func parseClock(s string) (int, error) {
	h, m, ok := strings.Cut(s, ":")
	hours, errH := strconv.ParseUint(h, 10, 8)
	minutes, errM := strconv.ParseUint(m, 10, 8)
	if !ok || errH != nil || errM != nil || len(h) > 2 || len(m) != 2 || minutes > 59 || hours*60+minutes > dayMinutes {
		return 0, fmt.Errorf("time %q is not from 00:00 to 24:00", s)
	}
	return int(hours*60 + minutes), nil
}

// At is the budget at a civil time of the zone: the weekday and the minute of the
// day, from 0 to 1439. Its binding is of the transfer or of hop, and names the window;
// windows that adjoin and say the same it names as one.
func (w Windows) At(day time.Weekday, minute int, hop topo.Hop, ofTransfer bool) Budget {
	t := int(day)*dayMinutes + minute
	rate, one := w.rateAt(t)
	if rate == unit.Unlimited {
		return NewBudget(Binding{Reason: Open, Hop: hop, OfTransfer: ofTransfer, Rate: rate})
	}
	return NewBudget(Binding{Reason: Window, Hop: hop, OfTransfer: ofTransfer, Rate: rate, Text: w.sayer(t, one)})
}

// holds reports whether the window is open at a minute of a day.
func (w *TimeWindow) holds(day, minute int) bool {
	if w.From < w.To {
		return w.Days[day] && w.From <= minute && minute < w.To
	}
	return w.Days[day] && w.From <= minute || w.Days[(day+6)%7] && minute < w.To
}

// NextChange returns in how many minutes from a civil time, counted without
// changes of the clock, another rate holds; false if none ever does.
func (w Windows) NextChange(day time.Weekday, minute int) (int, bool) {
	t := int(day)*dayMinutes + minute
	s := w.span(t)
	return s.to - t, !s.always
}

// String writes the window as it can be parsed.
func (w *TimeWindow) String() string { return w.text }
