package bandwidth

import (
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Side says to which end of a link an interface belongs.
type Side int

// The sides, of the link between a location and what is above it.
const (
	Inside  Side = iota // at the location's own router: what goes out of it is up
	Outside             // at the router above: what comes into it is up
)

// Moved is an amount that went out of a location (up) and into it (down).
type Moved struct{ Up, Down unit.Bytes }

// Reading is what a device says of an interface at one time.
type Reading struct {
	At        unit.Time // the middle of question and answer
	Interface int       // its index; another one is another interface
	In, Out   uint64    // bytes, counters of 64 bits
	// UpTime is for how long the device's agent runs, as it counts: in hundredths of
	// a second of 32 bits. Zero if it does not tell.
	UpTime time.Duration
	// Discontinuity is the UpTime at which the counters last began anew.
	Discontinuity time.Duration
	Speed         unit.Rate // of the interface, 0 if it does not tell
	// Own is what the agents say that they themselves have moved over the link since
	// any beginning, by the time At.
	Own Moved
}

// MeterConfig says what a Meter measures.
type MeterConfig struct {
	Link unit.Location // whose link to what is above it, for warnings
	Side Side
	// Up and Down are the capacities that the operator set; 0 takes the interface's
	// speed. Of two that are known the lower one counts.
	Up, Down unit.Rate
	// IgnoreSpeed says that the device tells a wrong speed.
	IgnoreSpeed bool
}

// Use is how much of a link is used.
type Use struct {
	Up, Down                 unit.Rate
	UpCapacity, DownCapacity unit.Rate     // 0 if not known
	Over                     time.Duration // the time that it is the mean of
	At                       unit.Time     // the end of that time
}

// Age is how old u is.
func (u Use) Age(now unit.Time) time.Duration { return now.Sub(u.At) }

// Meter makes the use of a link of readings of an interface's counters. Readings
// that cannot be right are left out, with a warning.
//
// Invariant: Up and Down are at most the capacity, where that is known.
type Meter struct {
	config MeterConfig
	faults faults

	last    Reading // the last one that was taken
	reading bool    // there is one
	// change is the last reading with other counters than the one before it, and
	// late how long before it the counters may have changed.
	change  Reading
	late    time.Duration
	changed bool    // there is one
	quiet   Reading // since when nothing has changed, and the agents moved nothing
	idle    bool    // for so long that the link carries nothing

	refresh refresh
	honesty honesty
	use     Use
	known   bool
}

// NewMeter returns a meter that knows nothing yet.
func NewMeter(c MeterConfig) *Meter {
	return &Meter{config: c, faults: faults{link: c.Link}}
}

// Use returns the last use that was measured; false if there is none, or if
// nothing that the device says can be believed. Its age grows while there are no
// good readings.
func (m *Meter) Use() (Use, bool) {
	return m.use, m.known && !m.honesty.lies
}

// Faults returns what is wrong now.
func (m *Meter) Faults() []Warning { return append([]Warning(nil), m.faults.standing...) }

// Refresh returns how often the device renews its counters, false if that is not
// known yet. It is never less than the time between readings.
func (m *Meter) Refresh() (time.Duration, bool) { return m.refresh.interval() }

// Fail notes that there was no reading, and why: FaultSilent, FaultRefused or
// FaultVanished. It returns what is news.
func (m *Meter) Fail(fault Fault, message string) []Warning {
	m.faults.raise(fault, "%s", message)
	return m.faults.news()
}

// Read takes the next reading and returns what is wrong that was not before.
func (m *Meter) Read(r Reading) []Warning {
	if m.reading && r.At <= m.last.At {
		m.faults.raise(FaultClock, "a reading is not later than the one before it; it is left out")
		return m.faults.news()
	}
	m.faults.clear(FaultSilent, FaultRefused, FaultVanished, FaultClock)
	m.setCapacity(r.Speed, r.Speed)
	switch {
	case !m.reading:
		m.begin(r)
	case m.anew(r):
		m.begin(r)
	default:
		m.next(r)
	}
	return m.faults.news()
}

// begin takes r as the first of its counters.
func (m *Meter) begin(r Reading) {
	m.last, m.reading = r, true
	m.quiet, m.changed, m.idle = r, false, false
	m.honesty.restart(r.At)
}

// next takes a reading of the same counters as the last one.
func (m *Meter) next(r Reading) {
	gap := r.At.Sub(m.last.At)
	moved := m.between(m.last, r)
	if gap > m.patience() {
		m.begin(r) // the mean of a long silence says little about now
		return
	}
	m.refresh.polled(gap)
	own := since(m.last.Own, r.Own)
	interval, known := m.refresh.interval()
	m.honesty.observe(&m.faults, r.At, own, moved, interval, known)
	if moved == (Moved{}) {
		m.unchanged(r)
	} else {
		m.renewed(r, gap)
	}
	m.last = r
}

// patience is the longest time between two readings that belong together.
func (m *Meter) patience() time.Duration {
	interval, _ := m.refresh.interval()
	return max(5*time.Second, 3*interval, 3*m.refresh.poll)
}

// unchanged takes a reading with the counters of the last one: the device has not
// renewed them, unless it would have by now. What the agents moved themselves
// proves that zeros are false.
func (m *Meter) unchanged(r Reading) {
	quiet := r.At.Sub(m.quiet.At)
	if !m.idle && quiet < m.refresh.idleAfter() {
		return
	}
	own := since(m.quiet.Own, r.Own)
	m.quiet = r
	if own.Up+own.Down > ownNoise {
		m.idle = false
		return
	}
	m.idle = true
	m.measured(Moved{}, quiet, r.At)
}

// renewed takes a reading with other counters, gap after the last one.
func (m *Meter) renewed(r Reading, gap time.Duration) {
	start, late, changed, idle := m.change, m.late, m.changed, m.idle
	m.change, m.late, m.changed = r, gap, true
	m.quiet, m.idle = r, false
	moved := m.between(m.last, r)
	interval, known := m.refresh.interval()
	if !changed && !(idle && known) {
		return // when its counters were renewed before is not known
	}
	over := max(interval, gap) // after a silence: what is new came after the last refresh
	if !idle {
		over = m.refresh.between(r.At.Sub(start.At), gap, late, m.likely(moved, r.At.Sub(start.At)))
	}
	if changed {
		m.refresh.learn(r.At.Sub(start.At))
	}
	if m.absurd(moved, over, over+gap+late) {
		return
	}
	m.measured(moved, over, r.At)
}

// likely returns the time that moved would take at the last rate; gap if that is
// not known.
func (m *Meter) likely(moved Moved, gap time.Duration) time.Duration {
	before := m.use.Up + m.use.Down
	if before <= 0 {
		return gap
	}
	return time.Duration(min((float64(moved.Up)+float64(moved.Down))/float64(before), maxRefresh.Seconds()) * float64(time.Second))
}

// measured notes what was moved in the time over that ended at.
func (m *Meter) measured(moved Moved, over time.Duration, at unit.Time) {
	m.use.Up, m.use.Down = moved.Up.Per(over), moved.Down.Per(over)
	m.use.Over, m.use.At, m.known = over, at, true
	m.limit()
	m.faults.clear(FaultAbsurd, FaultReset)
}

// limit keeps the invariant: a mean over a time that is known but roughly may be
// above what the link can carry.
func (m *Meter) limit() {
	if c := m.use.UpCapacity; c > 0 {
		m.use.Up = min(m.use.Up, c)
	}
	if c := m.use.DownCapacity; c > 0 {
		m.use.Down = min(m.use.Down, c)
	}
}

// between returns what the interface moved from one reading to a later one. A
// counter that wrapped has gone on.
func (m *Meter) between(from, to Reading) Moved {
	in, out := amount(to.In-from.In), amount(to.Out-from.Out)
	if m.config.Side == Inside {
		return Moved{Up: out, Down: in}
	}
	return Moved{Up: in, Down: out}
}

func amount(n uint64) unit.Bytes { return unit.Bytes(min(n, math.MaxInt64)) }

// since is what was added between two sums; a sum that shrank has begun anew.
func since(from, to Moved) Moved {
	if to.Up < from.Up || to.Down < from.Down {
		return Moved{}
	}
	return Moved{Up: to.Up - from.Up, Down: to.Down - from.Down}
}
