package main

import (
	"context"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/usage"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// shortInterval is how often links are looked at where others use them, too.
	shortInterval = 250 * time.Millisecond
	// longInterval is that where nobody does, which costs less.
	longInterval = sampleInterval
)

// watch looks at what passes the uplinks over time. It is used from one goroutine.
type watch struct {
	interval time.Duration
	end      time.Duration // of the last interval
	last     map[unit.Location]network.Passed
	links    map[unit.Location][]scenario.LinkInterval
}

func newWatch(s *scenario.Scenario) *watch {
	w := &watch{interval: longInterval, links: map[unit.Location][]scenario.LinkInterval{}}
	if s.Bandwidth != nil || len(s.Background) > 0 {
		w.interval = shortInterval
	}
	return w
}

// look adds an interval, unless the last one has just ended: late ticks come in
// groups, and a moment says little of a rate.
func (w *watch) look(end time.Duration, now map[unit.Location]network.Passed) {
	if end-w.end < w.interval/2 {
		return
	}
	w.end = end
	for loc, p := range now {
		w.links[loc] = append(w.links[loc], scenario.LinkInterval{
			End: end, All: subtract(p.All, w.last[loc].All), Ours: subtract(p.Ours, w.last[loc].Ours),
		})
	}
	w.last = now
}

// observe looks at the uplinks until ctx ends, and at the other counters about once a
// second.
func (r *round) observe(ctx context.Context) {
	tick := time.NewTicker(r.watch.interval)
	defer tick.Stop()
	for readable := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := time.Now()
		wires, err := r.network.Wires()
		if err != nil {
			r.note("watch links: %v", err)
			return
		}
		r.watch.look(at.Sub(r.zero), wires)
		if !readable || at.Sub(r.samples.at) < sampleInterval-r.watch.interval/2 {
			continue
		}
		if err := r.samples.look(at, wires); err != nil {
			r.note("read counters: %v", err)
			readable = false
		}
	}
}

// idleCPU is what the hosts' programs use of a processor while nothing is
// distributed.
type idleCPU struct {
	since time.Time
	used  map[*child.Process]time.Duration
}

// beginIdle notes what they have used so far.
func (r *round) beginIdle() idleCPU {
	i := idleCPU{time.Now(), map[*child.Process]time.Duration{}}
	for _, h := range r.scenario.Hosts {
		for _, p := range r.runs.Processes(h.Node) {
			i.used[p] = usage.CPU(p)
		}
	}
	return i
}

// leastIdle is the least time that tells something: CPU time is counted in ticks.
const leastIdle = 2 * time.Second

// end returns what they have used since, of a processor.
func (i idleCPU) end() scenario.Percent {
	passed := time.Since(i.since)
	if passed < leastIdle || len(i.used) == 0 {
		return scenario.Percent{}
	}
	var p scenario.Percent
	for process, before := range i.used {
		part := 100 * (usage.CPU(process) - before).Seconds() / passed.Seconds()
		p.Mean += part / float64(len(i.used))
		p.Most = max(p.Most, part)
	}
	return p
}
