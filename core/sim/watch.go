package sim

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// watchEvery is how often links are looked at where agents leave room for others.
const watchEvery = 250 * time.Millisecond

// watch looks at what passes the uplinks over time.
type watch struct {
	sim   *simulation
	at    unit.Time
	last  map[*link]passed
	links map[unit.Location][]scenario.LinkInterval
}

// passed is what has passed a link, on layer 2: in all, and for agents.
type passed struct{ all, ours float64 }

func newWatch(s *simulation) *watch {
	return &watch{sim: s, last: map[*link]passed{}, links: map[unit.Location][]scenario.LinkInterval{}}
}

func (w *watch) tick() {
	w.look()
	w.sim.after(watchEvery, w.tick)
}

func (w *watch) look() {
	now := w.sim.now
	took := now.Sub(w.at).Seconds()
	if took <= 0 {
		return
	}
	for l, p := range w.sim.places {
		down, up := w.passed(p.down, took), w.passed(p.up, took)
		w.links[l] = append(w.links[l], scenario.LinkInterval{
			End:  time.Duration(now),
			All:  scenario.Crossing{Down: unit.Bytes(down.all), Up: unit.Bytes(up.all)},
			Ours: scenario.Crossing{Down: unit.Bytes(down.ours), Up: unit.Bytes(up.ours)},
		})
	}
	w.at = now
}

// passed is what passed a link in the time since it was looked at last.
func (w *watch) passed(l *link, took float64) passed {
	theirs := w.sim.yielding(l)
	sums := passed{l.bytes() / topo.Goodput, (l.bytes() - theirs) / topo.Goodput}
	since := passed{sums.all - w.last[l].all, sums.ours - w.last[l].ours}
	w.last[l] = sums
	since.all += (l.taken + l.acks) * took / topo.Goodput
	return since
}

// yielding is the payload of background traffic by TCP that a link has carried.
func (s *simulation) yielding(l *link) (bytes float64) {
	for _, b := range s.background {
		if b.over != nil && b.flow.Proto == scenario.TCP && slices.Contains(b.over.path, l) {
			bytes += b.over.carried
		}
	}
	return bytes
}
