package restore

import (
	"time"

	"github.com/rackswarm/rackswarm/core/api"
)

// ValidateSchedule checks a schedule, with its request. The error is an
// *api.Error whose subject is the field.
func ValidateSchedule(s api.Schedule) error {
	return nil
}

// NextDue is the first time after a moment at which the schedule is due, whether
// it is paused or not; zero if there is none in five years. The error is that of
// ValidateSchedule.
func NextDue(s api.Schedule, after time.Time) (time.Time, error) {
	return time.Time{}, nil
}

// ScheduledID is the ID of the run, and of the backup, that a schedule starts
// when it is due, such as "nightly-20261122T020000Z". The same moment has the same
// ID on every agent.
func ScheduledID(schedule string, due time.Time) string {
	return schedule + "-" + due.UTC().Format("20060102T150405Z")
}
