package links

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/agent/internal/probe"
	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Source is who tells how much of some links is used. One agent of all that know it
// asks it.
type Source struct {
	Name  string // for people, such as "device 10.0.0.1:161"
	Links []unit.Location
	// Run asks it until ctx ends.
	Run func(ctx context.Context, a Asking)
}

// Asking is what a source needs and gives; see probe.Config.
type Asking struct {
	Time   func(time.Time) unit.Time
	Own    func(unit.Location) bandwidth.Moved
	Report func(probe.Report)
}

// Device is the source that a device is. Errors are those of its configuration.
func Device(d probe.Device) (Source, error) {
	if err := d.Check(); err != nil {
		return Source{}, err
	}
	s := Source{Name: d.String(), Run: func(ctx context.Context, a Asking) {
		p, err := probe.NewPoller(probe.Config{Device: d, Time: a.Time, Own: a.Own, Report: a.Report})
		if err == nil { // it was checked
			p.Run(ctx)
		}
	}}
	for _, l := range d.Links {
		s.Links = append(s.Links, l.Link)
	}
	return s, nil
}

const (
	// Who asks a source renews its lease every leaseEvery; another agent takes over
	// after leaseLife at most, and one more try.
	leaseLife  = 6 * time.Second
	leaseEvery = 2 * time.Second
	// Who gets no answer leaves the source to agents that may reach it after patience,
	// when the floor counts anyway, and later each time that it was in vain.
	patience     = 15 * time.Second
	mostPatience = 5 * time.Minute
	// publishEvery is how often it looks for a new reading to publish, and claimsEvery
	// how often it reads what the fleet has moved, at least.
	publishEvery = 100 * time.Millisecond
	claimsEvery  = 500 * time.Millisecond
	// settle is after what time all nodes have told what they had moved by then.
	settle = 350 * time.Millisecond
)

// lease names the work of asking the source. Agents that know it with other links
// ask it beside one another.
func (s Source) lease() string {
	var names []string
	for _, l := range s.Links {
		names = append(names, string(l))
	}
	slices.Sort(names)
	return "links/" + s.Name + "/" + strings.Join(names, ",")
}

// attend asks the source whenever nobody else does, until ctx ends.
func (m *Manager) attend(ctx context.Context, s Source) {
	wait := patience
	for {
		rest := leaseEvery + rand.N(leaseEvery/2)
		if held, err := m.take(ctx, s); err == nil && held {
			w := m.ask(ctx, s, wait)
			if wait = min(2*wait, mostPatience); w.answered() {
				wait = patience
			}
			if w.leaves {
				rest += leaseEvery // all others try first
			}
			m.release(ctx, s)
		}
		if pause.For(ctx, rest) != nil {
			return
		}
	}
}

// take takes the lease of asking the source, or renews it.
func (m *Manager) take(ctx context.Context, s Source) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	return m.cfg.Store.Lease(ctx, s.lease(), string(m.cfg.Self), leaseLife)
}

// release gives the lease back, also when ctx has ended. It ends by itself, too.
func (m *Manager) release(ctx context.Context, s Source) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
	defer cancel()
	_ = m.cfg.Store.ReleaseLease(ctx, s.lease(), string(m.cfg.Self))
}

// ask asks the source until the lease is another's, it has not answered for a while,
// or ctx ends. While the store does not answer nobody can take the lease.
func (m *Manager) ask(ctx context.Context, s Source, wait time.Duration) *watch {
	m.log.Info("this node asks how much of links is used", "source", s.Name, "links", s.Links)
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	w := &watch{manager: m, source: s, began: m.now(), links: map[unit.Location]*watched{}}
	for _, l := range s.Links {
		w.links[l] = &watched{ours: newOurs()}
	}
	parts.Go(func() {
		s.Run(ctx, Asking{Time: func(t time.Time) unit.Time { return unit.Time(t.Sub(m.epoch)) }, Own: w.own, Report: w.report})
	})
	parts.Go(func() { w.publish(ctx) })
	for pause.For(ctx, leaseEvery) == nil {
		held, err := m.take(ctx, s)
		if err == nil && !held {
			m.log.Info("another node asks how much of links is used", "source", s.Name)
			return w
		}
		if err == nil && w.silence() >= wait {
			m.log.Info("this node leaves it to others to ask how much of links is used, as it gets no answer", "source", s.Name)
			w.leaves = true
			return w
		}
	}
	return w
}

// watch is the work of asking a source.
type watch struct {
	manager *Manager
	source  Source
	began   unit.Time
	leaves  bool // it is left to others, as the source does not answer

	mu    sync.Mutex // what follows, and what is in links, is guarded by it
	links map[unit.Location]*watched
	heard unit.Time // when the source answered last, 0 if it never did
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

// watched is what is known of one of its links.
type watched struct {
	ours *ours
	read unit.Time // when claims were read last
	// reports are those that are not published yet, the oldest first.
	reports []probe.Report
	others  rates
	of      unit.Time // what the others are of: the end of a use; 0 is none
	// contradiction is what was logged of its capacity, "" for nothing.
	contradiction string
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
	w.contradicted(r.Link, k)
}

// contradicted logs that people and the source tell different capacities, when they
// begin to.
func (w *watch) contradicted(l unit.Location, k *watched) {
	problem := ""
	for _, warning := range w.manager.known.of(l).contradictions() {
		problem = strings.TrimPrefix(problem+"; "+warning.Message, "; ")
	}
	if problem != "" && problem != k.contradiction {
		w.manager.log.Warn("what is said of a link contradicts itself: the lower capacity counts",
			"link", l, "source", w.source.Name, "fault", bandwidth.FaultCapacity, "problem", problem)
	}
	k.contradiction = problem
}

// floor is what counts of a link that is not measured.
func (m *Manager) floor(r probe.Report) string {
	f := m.known.of(r.Link)
	up, down := max(r.Use.UpCapacity, f.said(true)), max(r.Use.DownCapacity, f.said(false))
	return fmt.Sprintf("%s up, %s down", bandwidth.FloorOf(up), bandwidth.FloorOf(down))
}

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

// take keeps a report until it is published, and forgets those that will not be, as a
// later one has settled: while the store does not answer nothing is published.
func (k *watched) take(now unit.Time, r probe.Report) {
	k.reports = append(k.reports, r)
	for len(k.reports) > 1 && k.isSettled(k.reports[0], now) && k.isSettled(k.reports[1], now) {
		k.reports = k.reports[1:]
	}
}

// settled returns the newest report of what was settle ago, and forgets it and those
// before it.
func (k *watched) settled(now unit.Time) (r probe.Report, ok bool) {
	for len(k.reports) > 0 {
		if !k.isSettled(k.reports[0], now) {
			return r, ok
		}
		r, ok = k.reports[0], true
		k.reports = k.reports[1:]
	}
	return r, ok
}

func (k *watched) isSettled(r probe.Report, now unit.Time) bool {
	return !r.Known || r.Use.At == k.of || now.Sub(r.Use.At) >= settle
}
