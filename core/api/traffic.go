package api

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // agents on machines without time zones decide alike

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Values of Distribution.Priority.
const (
	PriorityBackground = "background"
	PriorityNormal     = "normal"
	PriorityUrgent     = "urgent"
)

// defaultZone is the time zone of windows that name none.
const defaultZone = "UTC"

// Rank is how urgent the transfer of d is; a priority that is none is normal.
func (d Distribution) Rank() bandwidth.Rank {
	rank, err := bandwidth.ParseRank(d.Priority)
	if err != nil {
		return bandwidth.Normal
	}
	return rank
}

// MaxRates are the ceilings of d for each node.
func (d Distribution) MaxRates() (download, upload unit.Rate) {
	return rateOf(d.MaxDownload), rateOf(d.MaxUpload)
}

// SameTraffic reports whether a and b move their bytes by the same rules. Nodes that
// are told of others go on with the transfer under these.
func (d Distribution) SameTraffic(o Distribution) bool {
	down, up := d.MaxRates()
	oDown, oUp := o.MaxRates()
	return d.Rank() == o.Rank() && down == oDown && up == oUp && slices.Equal(d.Windows, o.Windows) &&
		(len(d.Windows) == 0 || d.zone() == o.zone())
}

func (d Distribution) zone() string { return cmp.Or(d.TimeZone, defaultZone) }

// Timetable is what time windows say, in a time zone that is known here. The zero
// value has no windows.
type Timetable struct {
	windows bandwidth.Windows
	zone    *time.Location // nil: no windows
}

// Timetable returns the time windows of d. The error is an *Error.
func (d Distribution) Timetable() (Timetable, error) {
	if len(d.Windows) == 0 {
		return Timetable{}, checkZone(d.TimeZone)
	}
	if err := checkZone(d.TimeZone); err != nil {
		return Timetable{}, err
	}
	if err := checkWindows(d.zone(), d.Windows); err != nil {
		return Timetable{}, err
	}
	windows, err := bandwidth.ParseWindows(d.zone(), d.Windows)
	if err != nil {
		return Timetable{}, invalid("windows", err.Error(), windowFix)
	}
	zone, err := time.LoadLocation(d.zone())
	return Timetable{windows, zone}, err
}

// Any reports whether there are windows at all.
func (t Timetable) Any() bool { return t.zone != nil }

// At is what the windows let a transfer move at a time, in each direction.
func (t Timetable) At(now time.Time, up bool) bandwidth.Budget {
	if t.zone == nil {
		return bandwidth.NewBudget(bandwidth.Binding{Reason: bandwidth.Open, OfTransfer: true, Hop: topo.Hop{Up: up}, Rate: unit.Unlimited})
	}
	day, minute := t.civil(now)
	return t.windows.At(day, minute, topo.Hop{Up: up}, true)
}

// Until is when the windows let another rate pass than now, such as "Mon 18:00
// Europe/Amsterdam"; "" if they never do.
func (t Timetable) Until(now time.Time) string {
	if t.zone == nil {
		return ""
	}
	day, minute := t.civil(now)
	in, ok := t.windows.NextChange(day, minute)
	if !ok {
		return ""
	}
	at := int(day)*24*60 + minute + in
	return fmt.Sprintf("%.3s %02d:%02d %s", time.Weekday(at/(24*60)%7), at/60%24, at%60, t.zone)
}

// civil is the day of the week and the minute of the day of a time.
func (t Timetable) civil(now time.Time) (time.Weekday, int) {
	now = now.In(t.zone)
	return now.Weekday(), now.Hour()*60 + now.Minute()
}

// Bounds of what one distribution may say of its windows.
const (
	maxWindows    = 64
	maxWindowSize = 128 // bytes of one line
)

const windowFix = "write for example mon-fri 08:00-18:00 20Mbit, or otherwise unlimited"

func checkPriority(s string) error {
	if _, err := bandwidth.ParseRank(s); err == nil {
		return nil
	}
	return invalid("priority", fmt.Sprintf("%q is not a priority", s),
		"write "+PriorityBackground+", "+PriorityNormal+" or "+PriorityUrgent)
}

// checkCeiling refuses a ceiling that lets nothing pass.
func checkCeiling(field string, n *int64) error {
	switch {
	case n == nil || *n > 0:
		return nil
	case *n == 0:
		return zeroCeiling(field)
	}
	return invalid(field, fmt.Sprintf("%d is negative", *n), "write bytes per second")
}

func zeroCeiling(field string) *Error {
	return &Error{Code: CodeInvalid, Subject: field, Message: "zero lets nothing pass and never means unlimited",
		Fix: "leave it out for no ceiling; to keep everything from moving: rackswarm pause NAME, or a window with the rate 0"}
}

// ParseCeiling reads a ceiling as people write it, such as "10MiB/s", into bytes per
// second; "unlimited" is nil. field is the subject of an error, which is an *Error.
func ParseCeiling(field, text string) (*int64, error) {
	const fix = "write for example 10MiB/s or 200Mbit"
	rate, err := unit.ParseRate(text)
	switch {
	case err != nil:
		return nil, invalid(field, fmt.Sprintf("%q is no rate", text), fix)
	case rate == 0:
		return nil, zeroCeiling(field)
	case unit.WithoutUnit(text):
		return nil, invalid(field, text+" of what?", fix)
	case rate == unit.Unlimited:
		return nil, nil
	}
	n := int64(rate)
	return &n, nil
}

func checkZone(zone string) error {
	if zone == "" {
		return nil
	}
	_, err := bandwidth.ParseWindows(zone, nil)
	if err == nil {
		_, err = time.LoadLocation(zone)
	}
	if err != nil {
		return invalid("time_zone", fmt.Sprintf("%q is not a time zone", zone), "write a name of the IANA database, for example UTC or Europe/Amsterdam")
	}
	return nil
}

// checkWindows names the line that is wrong.
func checkWindows(zone string, lines []string) error {
	if len(lines) > maxWindows {
		return invalid("windows", fmt.Sprintf("it has %d lines; at most %d are allowed", len(lines), maxWindows), "name several days in one line, such as mon-fri or sat,sun")
	}
	for i, line := range lines {
		at := fmt.Sprintf("windows[%d]", i)
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			return invalid(at, "it is empty", windowFix)
		case len(line) > maxWindowSize:
			return invalid(at, fmt.Sprintf("it has %d bytes; at most %d are allowed", len(line), maxWindowSize), windowFix)
		case unit.WithoutUnit(fields[len(fields)-1]):
			return invalid(at, fmt.Sprintf("%q: %s of what?", line, fields[len(fields)-1]), windowFix)
		}
		if _, err := bandwidth.ParseWindows(zone, lines[:i+1]); err != nil {
			return invalid(at, fmt.Sprintf("%q: %v", line, cmp.Or(errors.Unwrap(err), err)), windowFix)
		}
	}
	return nil
}
