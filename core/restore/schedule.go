package restore

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // agents on machines without time zones decide alike

	"github.com/robfig/cron/v3"

	"github.com/rackswarm/rackswarm/core/api"
)

// dueFormat is how ScheduledID writes the moment.
const dueFormat = "20060102T150405Z"

// cronFix is for whoever wrote a malformed expression.
const cronFix = "write minute, hour, day of month, month and day of week, such as '0 2 * * *', or @hourly, @daily, @weekly, @monthly"

// ValidateSchedule checks a schedule, with its request. The error is an
// *api.Error whose subject is the field.
func ValidateSchedule(s api.Schedule) error {
	if err := checkID("name", s.Name); err != nil {
		return err
	}
	if limit := maxID - len("-") - len(dueFormat); len(s.Name) > limit {
		return invalid("name", fmt.Sprintf("has %d characters; at most %d are allowed, as the time is added", len(s.Name), limit), "choose a shorter name")
	}
	zone, spec, err := parseTimes(s)
	if err != nil {
		return err
	}
	if spec.Next(time.Date(2000, time.January, 1, 0, 0, 0, 0, zone)).IsZero() {
		return invalid("when", fmt.Sprintf("%q is never due", s.When), "name a day that the month has")
	}
	switch {
	case s.Run.ID != "":
		return invalid("run.id", "each run of a schedule has an ID of its own", "leave it out")
	case s.Run.Copies != nil && s.Run.Copies.Name != "":
		return invalid("run.copies.name", "each backup of a schedule has a name of its own", "leave it out")
	}
	return within("run", Validate(s.Run))
}

// parseTimes understands when a schedule is due.
func parseTimes(s api.Schedule) (*time.Location, cron.Schedule, error) {
	zone := time.UTC
	if s.TimeZone != "" {
		var err error
		if zone, err = time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
			return nil, nil, invalid("time_zone", fmt.Sprintf("%q is not known", s.TimeZone), "write for example Europe/Berlin, or leave it out for UTC")
		}
	}
	when := strings.TrimSpace(s.When)
	switch {
	case when == "":
		return nil, nil, invalid("when", "is missing", cronFix)
	case strings.Contains(when, "="):
		return nil, nil, invalid("when", fmt.Sprintf("%q is not a cron expression", s.When), "name the time zone in time_zone; "+cronFix)
	case strings.HasPrefix(when, "@every"):
		// Its times depend on when somebody began to count.
		return nil, nil, invalid("when", "@every is not supported", cronFix)
	}
	spec, err := cron.ParseStandard(when)
	if err != nil {
		return nil, nil, invalid("when", fmt.Sprintf("%q is not a cron expression: %v", s.When, err), cronFix)
	}
	return zone, spec, nil
}

// within puts the field of an error below another.
func within(field string, err error) error {
	if e, ok := err.(*api.Error); ok { //nolint:errorlint // Validate wraps nothing
		below := *e
		below.Subject = field + "." + e.Subject
		return &below
	}
	return err
}

// NextDue is the first time after a moment at which the schedule is due, in UTC,
// whether it is paused or not; zero if there is none in five years. It is the
// same on every agent. The error is that of ValidateSchedule.
func NextDue(s api.Schedule, after time.Time) (time.Time, error) {
	zone, spec, err := parseTimes(s)
	if err != nil {
		return time.Time{}, err
	}
	next := spec.Next(after.In(zone))
	if next.IsZero() {
		return time.Time{}, nil
	}
	return next.UTC(), nil
}

// ScheduledID is the ID of the run, and of the backup, that a schedule starts
// when it is due, such as "nightly-20261122T020000Z". The same moment has the same
// ID on every agent.
func ScheduledID(schedule string, due time.Time) string {
	return schedule + "-" + due.UTC().Format(dueFormat)
}
