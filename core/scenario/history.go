package scenario

import (
	"time"

	"github.com/rackswarm/rackswarm/core/unit"
)

// use is what passed a direction of a link from one time to another, in bytes per
// second.
type use struct {
	from, to    time.Duration
	ours, total float64
}

// uses are the intervals that have a length.
func uses(all []LinkInterval, up bool) []use {
	var list []use
	var last time.Duration
	for _, i := range all {
		ours, total := i.Ours.Down, i.All.Down
		if up {
			ours, total = i.Ours.Up, i.All.Up
		}
		if seconds := (i.End - last).Seconds(); seconds > 0 {
			list = append(list, use{last, i.End, float64(ours) / seconds, float64(total) / seconds})
		}
		last = i.End
	}
	return list
}

// history is what a direction of a link had, and what was used of it.
type history struct {
	*link
	reserve float64
	used    []use
}

func (h history) report() DirectionReport {
	d := DirectionReport{Capacity: []Point{}, Limit: []Point{}, Use: make([]UsePoint, len(h.used)), Over: h.over().Seconds()}
	for _, step := range h.capacity {
		if step.Rate != unit.Unlimited {
			at, bits := step.From.Seconds(), 8*float64(step.Rate)
			d.Capacity = append(d.Capacity, Point{at, bits})
			d.Limit = append(d.Limit, Point{at, bits * (1 - h.reserve)})
		}
	}
	for i, u := range h.used {
		d.Use[i] = UsePoint{u.to.Seconds(), 8 * u.ours, 8 * max(u.total-u.ours, 0)}
	}
	return d
}

// overSlack is by how much, as a share, a limit may be passed before it counts:
// intervals are short, and packets come in groups.
const overSlack = 0.02

// over is the longest time without a break in which only we used the link, and it
// was above capacity less reserve.
func (h history) over() (longest time.Duration) {
	var now time.Duration
	for _, u := range h.used {
		limit := min(h.capacityAt(u.from), h.capacityAt(u.to))
		if h.takenAt(u.from) || h.takenAt(u.to) || limit == unit.Unlimited || u.total <= (1-h.reserve)*float64(limit)*(1+overSlack) {
			now = 0
			continue
		}
		now += u.to - u.from
		longest = max(longest, now)
	}
	return longest
}

// left is what was left for us at a time, at least the floor.
func (h history) left(at time.Duration) unit.Rate {
	capacity := h.capacityAt(at)
	if capacity == unit.Unlimited {
		return capacity
	}
	return max(floor(capacity), h.at(at, h.reserve))
}
