package links

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/once"
	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// watch is the work of asking a source.
type watch struct {
	manager *Manager
	source  Source
	began   unit.Time
	leaves  bool // it is left to others, as the source does not answer

	mu    sync.Mutex // what follows, and what is in links, is guarded by it
	links map[unit.Location]*watched
	heard unit.Time // when the source answered last, 0 if it never did
	said  once.Said // of which links contradictions were logged
}

// silence is for how long the source has not answered.
func (w *watch) silence() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.manager.now().Sub(max(w.heard, w.began))
}

// answered reports whether the source has answered at all.
func (w *watch) answered() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard > 0
}

// own is what the fleet has moved over a link.
func (w *watch) own(l unit.Location) bandwidth.Moved {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.links[l].ours.total
}

// report takes what the source says, and logs what is wrong since.
func (w *watch) report(r probe.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, now := w.links[r.Link], w.manager.now()
	k.take(now, r)
	if r.Err == nil || r.Err.Fault != bandwidth.FaultSilent && r.Err.Fault != bandwidth.FaultRefused {
		w.heard = now
	}
	for _, warning := range r.News {
		w.manager.log.Warn("how much of a link is used is not known for sure: its budget sinks to the floor while that lasts",
			"link", r.Link, "source", w.source.Name, "fault", warning.Fault, "problem", warning.Message, "floor", w.manager.floor(r))
	}
	w.contradicted(r.Link)
}

// contradicted logs that people and the source tell different capacities, once in
// once.Again: a source may tell another one each time. The caller holds mu.
func (w *watch) contradicted(l unit.Location) {
	var all []string
	for _, warning := range w.manager.known.of(l).contradictions() {
		all = append(all, warning.Message)
	}
	if len(all) > 0 && w.said.News(time.Now(), string(l), "") {
		w.manager.log.Warn("what is said of a link contradicts itself: the lower capacity counts",
			"link", l, "source", shortened(w.source.Name), "fault", bandwidth.FaultCapacity, "problem", strings.Join(all, "; "))
	}
}

// floor is what counts of a link that is not measured.
func (m *Manager) floor(r probe.Report) string {
	f := m.known.of(r.Link)
	up, down := max(r.Use.UpCapacity, f.said(true)), max(r.Use.DownCapacity, f.said(false))
	return fmt.Sprintf("%s up, %s down", bandwidth.FloorOf(up), bandwidth.FloorOf(down))
}
