package api

import "time"

// Schedule starts runs at times. A run that is due while the one before is
// under way is left out; one that was missed while no agent ran is not made up
// for.
type Schedule struct {
	Name string `json:"name"`
	// When is a cron expression of five fields, or @daily and the like.
	When     string `json:"when"`
	TimeZone string `json:"time_zone,omitempty"` // such as "Europe/Berlin"; "" is UTC
	// Run is what is asked for each time; its ID is "".
	Run    RunRequest `json:"run"`
	Paused bool       `json:"paused,omitempty"`

	// LastRun is the run that was started last, LastDue when it was due, NextDue
	// when the next one is. The server sets these.
	LastRun   string    `json:"last_run,omitempty"`
	LastDue   time.Time `json:"last_due,omitzero"`
	NextDue   time.Time `json:"next_due,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ScheduleList answers GET /v1/schedules, sorted by name.
type ScheduleList struct {
	Schedules []Schedule `json:"schedules"`
}
