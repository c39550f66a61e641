package bandwidth

import (
	"fmt"
	"math"
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// upTimeWrap is where a counter of hundredths of a second of 32 bits begins
	// again, after 497 days.
	upTimeWrap = (1 << 32) * 10 * time.Millisecond
	// upTimeSlack is how far a device's clock may be from ours between two readings,
	// beside a tenth.
	upTimeSlack = 10 * time.Second
	// fastest is what a link of unknown capacity can carry at most: 1.6 Tbit/s.
	fastest unit.Rate = 200e9
)

// anew reports whether r's counters do not go on from the last reading's.
func (m *Meter) anew(r Reading) bool {
	last := &m.last
	switch {
	case r.Interface != last.Interface:
		m.faults.raise(FaultReset, "the interface has the index %d and had %d: its counters are others", r.Interface, last.Interface)
	case r.Discontinuity != last.Discontinuity:
		m.faults.raise(FaultReset, "the device says that the interface's counters began anew")
	case restarted(last.UpTime, r.UpTime, r.At.Sub(last.At)):
		m.faults.raise(FaultReset, "the device, or its SNMP agent, was started again: it runs for %v", r.UpTime.Round(time.Second))
	case wentBack(last.In, r.In) || wentBack(last.Out, r.Out):
		m.faults.raise(FaultReset, "the interface's counters went back, as after a reboot or a reset by hand")
	default:
		return false
	}
	return true
}

// restarted reports whether a clock that went from one time to another while
// elapsed passed here is not the same clock.
func restarted(from, to, elapsed time.Duration) bool {
	if from == 0 && to == 0 {
		return false
	}
	passed := to - from
	if passed < 0 {
		passed += upTimeWrap
	}
	slack := upTimeSlack + elapsed/10
	return passed < 0 || (passed-elapsed).Abs() > slack
}

// wentBack reports whether a counter shrank and did not wrap.
func wentBack(from, to uint64) bool {
	const half = 1 << 63
	return to < from && (from < half || to >= half)
}

// absurd reports whether more was moved than the link can carry in the longest
// time that it may have taken. The tenth is for headers that are counted by some
// and not by others, and for bursts.
func (m *Meter) absurd(moved Moved, over, longest time.Duration) bool {
	up, down := moved.Up.Per(longest), moved.Down.Per(longest)
	switch {
	case above(up, m.use.UpCapacity):
		m.raiseAbsurd("up", moved.Up.Per(over), m.use.UpCapacity)
	case above(down, m.use.DownCapacity):
		m.raiseAbsurd("down", moved.Down.Per(over), m.use.DownCapacity)
	default:
		return false
	}
	return true
}

func (m *Meter) raiseAbsurd(direction string, got, capacity unit.Rate) {
	if capacity == 0 {
		m.faults.raise(FaultAbsurd, "%s by its counters, which no link carries; the reading is left out", bits(got))
		return
	}
	m.faults.raise(FaultAbsurd, "%s %s by its counters, and it carries %s at most; the reading is left out: is that the right interface, and the right capacity?",
		bits(got), direction, bits(capacity))
}

func above(r, capacity unit.Rate) bool {
	if capacity == 0 || capacity == unit.Unlimited {
		capacity = fastest
	}
	return float64(r) > 1.1*float64(capacity)
}

// setCapacity sets the capacities that count from now on, of those that were told.
func (m *Meter) setCapacity(up, down unit.Rate) {
	if m.config.IgnoreSpeed {
		up, down = 0, 0
	}
	m.use.UpCapacity, m.use.DownCapacity = lower(m.config.Up, up), lower(m.config.Down, down)
	m.limit()
	switch {
	case m.use.UpCapacity == 0 || m.use.DownCapacity == 0:
		m.faults.raise(FaultCapacity, "its capacity is not known, as the device does not tell the interface's speed; configure it")
	case contradict(m.config.Up, up):
		m.raiseContradiction(m.config.Up, up)
	case contradict(m.config.Down, down):
		m.raiseContradiction(m.config.Down, down)
	default:
		m.faults.clear(FaultCapacity)
	}
}

func contradict(configured, told unit.Rate) bool {
	return told > 0 && configured != unit.Unlimited && configured > told
}

func (m *Meter) raiseContradiction(configured, told unit.Rate) {
	m.faults.raise(FaultCapacity, "%s are configured and the interface has %s; the lower one counts: correct it, or have the interface's speed ignored",
		bits(configured), bits(told))
}

// lower returns the lower one of two capacities, of which 0 is not known.
func lower(a, b unit.Rate) unit.Rate {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// honesty compares what a device reports with what the agents themselves move
// over the link. They report later than the device, or earlier, so that only two
// times one after the other convict it.
type honesty struct {
	since         unit.Time
	own, reported Moved
	doubts        int
	lies          bool
}

// ownNoise is what agents may move in a time in which the device reports nothing.
const ownNoise = 256 * unit.KiB

func (h *honesty) restart(at unit.Time) {
	h.since, h.own, h.reported = at, Moved{}, Moved{}
}

// observe takes what was moved since it was called before. The device renews its
// counters every interval, if that is known.
func (h *honesty) observe(f *faults, at unit.Time, own, reported Moved, interval time.Duration, known bool) {
	h.own.Up, h.own.Down = h.own.Up+own.Up, h.own.Down+own.Down
	h.reported.Up, h.reported.Down = capped(h.reported.Up, reported.Up), capped(h.reported.Down, reported.Down)
	window := maxRefresh / 2
	if known {
		window = max(5*time.Second, 2*interval)
	}
	if at.Sub(h.since) < window {
		return
	}
	defer h.restart(at)
	switch {
	case short(h.own.Up, h.reported.Up) || short(h.own.Down, h.reported.Down):
		h.doubts++
		if h.doubts >= 2 {
			h.lies = true
			f.raise(FaultFalse, "the device reports %v up and %v down in %v, in which the agents alone moved %v and %v; it is not believed: is that the right interface, and the right side of the link?",
				h.reported.Up, h.reported.Down, at.Sub(h.since).Round(time.Second), h.own.Up, h.own.Down)
		}
	case h.own.Up+h.own.Down > ownNoise: // put to the test, and passed
		h.doubts, h.lies = 0, false
		f.clear(FaultFalse)
	}
}

// short reports whether a device reports clearly less than is known to have been
// moved.
func short(own, reported unit.Bytes) bool { return own/2 > reported+ownNoise }

func capped(a, b unit.Bytes) unit.Bytes {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// bits writes a rate as links are named.
func bits(r unit.Rate) string {
	n := float64(r) * 8
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.4g Gbit/s", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.4g Mbit/s", n/1e6)
	}
	return fmt.Sprintf("%.4g kbit/s", n/1e3)
}
