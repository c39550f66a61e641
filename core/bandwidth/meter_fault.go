package bandwidth

import (
	"fmt"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Fault is what is wrong with the readings of a link.
type Fault string

// The faults. While one of them stands the last use that was measured grows
// old; see Meter.Use.
const (
	FaultSilent   Fault = "silent"   // no answer, or one that cannot be used
	FaultRefused  Fault = "refused"  // the device refuses the credentials
	FaultVanished Fault = "vanished" // the interface is not there
	FaultReset    Fault = "reset"    // the counters began anew: a reboot, or another interface
	FaultClock    Fault = "clock"    // a reading that is not later than the one before
	FaultAbsurd   Fault = "absurd"   // more than the link can carry, or nothing that can be
	FaultFalse    Fault = "false"    // less than the agents themselves have moved
	FaultCapacity Fault = "capacity" // not known, or contradictory
	FaultLost     Fault = "lost"     // the store does not have what was declared any more
)

// Warning says what is wrong with a link's readings, for people: what, and what
// to do.
type Warning struct {
	Link    unit.Location
	Fault   Fault
	Message string
}

// String writes link and message in one line.
func (w Warning) String() string { return fmt.Sprintf("link of %s: %s", w.Link, w.Message) }

// faults are the warnings that stand, in the order in which they came.
type faults struct {
	link     unit.Location
	standing []Warning
	fresh    []Warning // of the call that is under way
}

// raise notes a fault; only its beginning is news.
func (f *faults) raise(fault Fault, format string, args ...any) {
	w := Warning{Link: f.link, Fault: fault, Message: fmt.Sprintf(format, args...)}
	for i := range f.standing {
		if f.standing[i].Fault == fault {
			f.standing[i] = w
			return
		}
	}
	f.standing = append(f.standing, w)
	f.fresh = append(f.fresh, w)
}

// clear notes the end of faults.
func (f *faults) clear(over ...Fault) {
	for _, fault := range over {
		for i, w := range f.standing {
			if w.Fault == fault {
				f.standing = append(f.standing[:i:i], f.standing[i+1:]...)
				break
			}
		}
	}
}

// news returns what was raised since it was called before.
func (f *faults) news() []Warning {
	fresh := f.fresh
	f.fresh = nil
	return fresh
}
