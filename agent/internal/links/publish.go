package links

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// publishEvery is how often a watch looks for a new reading to publish, and claimsEvery
	// how often it reads what the fleet has moved, at least.
	publishEvery = 100 * time.Millisecond
	claimsEvery  = 500 * time.Millisecond
)

// publish tells the fleet of readings, until ctx ends.
func (w *watch) publish(ctx context.Context) {
	for pause.For(ctx, publishEvery) == nil {
		if due := w.due(); len(due) > 0 {
			w.exchange(ctx, due)
		}
	}
}

// exchange reads what the fleet has moved over links, and tells what they are used for
// beside that. If it fails readings grow old, as is right.
func (w *watch) exchange(ctx context.Context, due []unit.Location) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	answer, _ := w.manager.cfg.Store.AskLinks(ctx, store.LinkQuery{Claims: due})
	var readings []store.LinkReading
	for l, claims := range answer.Claims {
		if r, ok := w.reading(l, claims); ok {
			readings = append(readings, r)
		}
	}
	if len(readings) > 0 {
		_ = w.manager.cfg.Store.PutReadings(ctx, readings...)
	}
}

// due returns the links whose claims are to be read: of those of which a report has
// settled, or of all as it is time.
func (w *watch) due() (links []unit.Location) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.manager.now()
	for _, l := range w.source.Links {
		k := w.links[l]
		if now.Sub(k.read) >= claimsEvery || len(k.reports) > 0 && k.isSettled(k.reports[0], now) {
			k.read = now
			links = append(links, l)
		}
	}
	return links
}

// reading is what to publish of a link, if there is something new: once all that the
// fleet had moved by then has been told.
func (w *watch) reading(l unit.Location, claims []store.LinkClaim) (store.LinkReading, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, now := w.links[l], w.manager.now()
	k.ours.add(now, claims)
	report, ok := k.settled(now)
	if !ok {
		return store.LinkReading{}, false
	}
	u := report.Use
	r := store.LinkReading{Location: l, Source: w.source.Name, Node: w.manager.cfg.Self, UpCapacity: u.UpCapacity, DownCapacity: u.DownCapacity}
	if report.Known {
		if u.At != k.of {
			k.others, k.of = k.ours.others(u, report.Refresh, k.others), u.At
		}
		r.Measured, r.Age = true, now.Sub(u.At)
		r.UpOthers, r.DownOthers = k.others.up, k.others.down
		r.UpOurs, r.DownOurs = max(u.Up-k.others.up, 0), max(u.Down-k.others.down, 0)
	}
	for _, fault := range report.Faults {
		r.Warnings = append(r.Warnings, api.LinkWarning{Fault: string(fault.Fault), Message: fault.Message})
	}
	return r, true
}
