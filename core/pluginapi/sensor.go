package pluginapi

import (
	"context"
	"time"
)

// BandwidthSensor knows how much links carry, from whatever source: a flow
// collector, a controller, a device that speaks no SNMP. The agent decides what
// may be sent.
//
// A link is that of a location to what is above it, and is called by the
// location's name, such as "ams1/rsn-27". Errors are *Error; others are taken as
// CodeInternal. A call whose context ends returns soon.
type BandwidthSensor interface {
	// Describe says what the sensor is. It asks nobody.
	Describe(ctx context.Context) (SensorDescription, error)

	// Read returns a reading of each link that is named, in any order. The agent
	// calls it about once a second, and counts the time that it takes as age; a
	// source that is slower is asked in the background, and its last reading
	// returned again with its age. What is wrong with one link is in its reading,
	// what is wrong with all is the error.
	Read(ctx context.Context, settings map[string]string, links []string) ([]LinkReading, error)
}

// SensorDescription is what a sensor is.
type SensorDescription struct {
	Name     string // such as "sflow"
	Version  string // of the sensor
	Settings []Setting
}

// LinkReading is what a link carried lately.
type LinkReading struct {
	Link string
	// Up and Down are what went out of the location and into it, headers and the fleet's
	// own traffic included, in bytes per second: the means of the time since the reading
	// before, of a second for the first one.
	Up, Down int64
	// The capacities, in bytes per second, 0 if they are not known.
	UpCapacity, DownCapacity int64
	// Age is how old Up and Down are.
	Age time.Duration
	// Err is why there is no reading, nil if there is one: CodeInvalid of a link that
	// the sensor does not know, CodeUnreachable if its source does not answer.
	Err *Error
}
