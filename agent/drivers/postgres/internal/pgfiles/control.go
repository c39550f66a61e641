package pgfiles

import (
	"bufio"
	"fmt"
	"strings"
)

// Control is what pg_controldata says of a data directory.
type Control struct {
	State    string // such as "in production" or "shut down in recovery"
	SystemID string
	Timeline string // of the latest checkpoint
	Redo     LSN    // where that checkpoint's redo begins
}

// ParseControl reads the untranslated output of pg_controldata.
func ParseControl(text string) (Control, error) {
	var c Control
	redo := ""
	fields := map[string]*string{
		"Database cluster state":            &c.State,
		"Database system identifier":        &c.SystemID,
		"Latest checkpoint's TimeLineID":    &c.Timeline,
		"Latest checkpoint's REDO location": &redo,
	}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if field := fields[key]; field != nil {
			*field = strings.TrimSpace(value)
		}
	}
	for key, field := range fields {
		if *field == "" {
			return Control{}, fmt.Errorf("pg_controldata did not say %q", key)
		}
	}
	var err error
	c.Redo, err = ParseLSN(redo)
	return c, err
}

// Recovering reports whether the instance followed another, or replayed an
// archive, when it ran last.
func (c Control) Recovering() bool {
	return c.State == "shut down in recovery" || c.State == "in archive recovery"
}
