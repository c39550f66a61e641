package bandwidth

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// Given is a use that somebody else measured, such as a sensor.
type Given struct {
	Up, Down                 unit.Rate
	UpCapacity, DownCapacity unit.Rate // 0 if not known
	At                       unit.Time
}

// givenOver is the time that a use is taken to be the mean of, if there is none before.
const givenOver = time.Second

// Take takes a use instead of a reading, and returns what is wrong that was not
// before. One that is not later than the last one is that again. A Meter gets
// either readings or uses. A use is taken to be the mean of the time since the one
// before it, as what the fleet itself has moved is subtracted of that time.
func (m *Meter) Take(g Given) []Warning {
	m.faults.clear(FaultSilent, FaultRefused, FaultVanished)
	m.setCapacity(g.UpCapacity, g.DownCapacity)
	switch {
	case m.known && g.At <= m.use.At:
	case above(g.Up, m.use.UpCapacity):
		m.raiseAbsurd("up", g.Up, m.use.UpCapacity)
	case above(g.Down, m.use.DownCapacity):
		m.raiseAbsurd("down", g.Down, m.use.DownCapacity)
	default:
		m.use.Over = givenOver
		if m.known {
			m.use.Over = min(g.At.Sub(m.use.At), maxRefresh)
		}
		m.use.Up, m.use.Down, m.use.At, m.known = max(g.Up, 0), max(g.Down, 0), g.At, true
		m.limit()
		m.faults.clear(FaultAbsurd)
	}
	return m.faults.news()
}
