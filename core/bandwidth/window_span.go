package bandwidth

import (
	"fmt"
	"strings"

	"github.com/rackswarm/rackswarm/core/unit"
)

// rateAt is the rate that holds at a minute of the week, and the window that says so; nil
// is Otherwise.
func (w Windows) rateAt(t int) (unit.Rate, *TimeWindow) {
	rate, by := w.Otherwise, (*TimeWindow)(nil)
	for i := range w.List {
		if one := &w.List[i]; one.holds(t/dayMinutes%7, t%dayMinutes) && (by == nil || one.Rate < rate) {
			rate, by = one.Rate, one
		}
	}
	return rate, by
}

// edges returns the minutes of the week at which windows begin or end.
func (w Windows) edges() (all []int) {
	for i := range w.List {
		for d := range 7 {
			all = append(all, (d*dayMinutes+w.List[i].From)%weekMinutes, (d*dayMinutes+w.List[i].To)%weekMinutes)
		}
	}
	return all
}

// span is the time around a minute of the week in which one rate holds.
type span struct {
	from, to int         // minutes from the begin of the week of that minute; from may be below 0
	always   bool        // no other rate ever holds
	several  bool        // more than one window, or a window and Otherwise, say so
	window   *TimeWindow // one that says so; nil if only Otherwise does
}

// span returns the one around t.
func (w Windows) span(t int) span {
	rate, first := w.rateAt(t)
	s := span{from: t - weekMinutes, to: t + weekMinutes, always: true, window: first}
	edges := w.edges()
	for _, e := range edges {
		if r, _ := w.rateAt(e); r != rate {
			s.to, s.always = min(s.to, t+minutesFrom(t, e)), false
		}
		if r, _ := w.rateAt(e + weekMinutes - 1); r != rate {
			s.from = max(s.from, t-minutesFrom(e, t)%weekMinutes)
		}
	}
	for _, e := range edges {
		if at := s.from + minutesFrom(s.from, e)%weekMinutes; !s.always && at >= s.to {
			continue
		}
		if _, by := w.rateAt(e); by != first {
			s.several = true
			if s.window == nil {
				s.window = by
			}
		}
	}
	return s
}

// minutesFrom is in how many minutes after one minute of the week another one comes, from
// 1 to a week.
func minutesFrom(from, to int) int {
	return ((to-from-1)%weekMinutes+weekMinutes)%weekMinutes + 1
}

// sayer is what says the rate that holds at a minute of the week: the window as it was
// written, or, where several that adjoin say the same, all the time that they cover.
func (w Windows) sayer(t int, one *TimeWindow) string {
	s := w.span(t)
	switch {
	case s.several:
		return s.String()
	case one == nil:
		return "otherwise"
	}
	return one.String()
}

// String names the span for people, with the rate of one of its windows, such as "fri
// 18:00-mon 08:00 0", which ParseWindows would refuse.
func (s span) String() string {
	fields := strings.Fields(s.window.text)
	rate := fields[len(fields)-1]
	if s.always {
		return "daily 00:00-24:00 " + rate
	}
	from, to := s.from+weekMinutes, s.to+weekMinutes
	last := to - 1 // an end at midnight is 24:00 of the day before
	if from/dayMinutes == last/dayMinutes {
		return fmt.Sprintf("%s %s-%s %s", weekdays[from/dayMinutes%7], clock(from%dayMinutes), clock(last%dayMinutes+1), rate)
	}
	return fmt.Sprintf("%s %s-%s %s %s", weekdays[from/dayMinutes%7], clock(from%dayMinutes), weekdays[last/dayMinutes%7], clock(last%dayMinutes+1), rate)
}

// clock writes minutes of a day, up to 24:00.
func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
