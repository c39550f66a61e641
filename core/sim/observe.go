package sim

import (
	"time"

	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/unit"
)

// second is how often links and bytes are looked at.
const second = time.Second

// meter looks at links and bytes once a second.
type meter struct {
	sim   *simulation
	at    unit.Time
	last  map[*link]float64
	peaks map[unit.Location]scenario.Peak
	bytes []scenario.Point
}

func newMeter(s *simulation) *meter {
	return &meter{sim: s, last: map[*link]float64{}, peaks: map[unit.Location]scenario.Peak{}, bytes: []scenario.Point{{0, 0}}}
}

func (m *meter) tick() {
	m.look()
	m.sim.after(second, m.tick)
}

// look takes a sample.
func (m *meter) look() {
	took := m.sim.now.Sub(m.at).Seconds()
	if took <= 0 {
		return
	}
	for l, p := range m.sim.places {
		peak := m.peaks[l]
		peak.Up = max(peak.Up, m.use(p.up, took))
		peak.Down = max(peak.Down, m.use(p.down, took))
		m.peaks[l] = peak
	}
	m.bytes = append(m.bytes, scenario.Point{time.Duration(m.sim.now).Seconds(), float64(m.sim.received)})
	m.at = m.sim.now
}

// use is the share of a link that was used since it was looked at last.
func (m *meter) use(l *link, took float64) float64 {
	bytes := l.bytes() - m.last[l]
	m.last[l] = l.bytes()
	return min((bytes/took+l.acks+l.taken)/l.capacity, 1)
}

// observed is what the run saw.
func (s *simulation) observed() scenario.Observed {
	s.meter.look()
	o := scenario.Observed{
		Nodes: map[unit.NodeID]scenario.NodeObserved{}, Ended: time.Duration(s.now),
		Crossed: map[unit.Location]scenario.Crossing{}, LinkUse: s.meter.peaks,
		Bytes: s.meter.bytes, StartWays: s.startWays, Notes: s.notes(),
	}
	for _, h := range s.order {
		o.Nodes[h.node] = h.observed()
	}
	for l, p := range s.places {
		o.Crossed[l] = crossing(p)
	}
	if s.watch != nil {
		s.watch.look()
		o.Links = s.watch.links
	}
	o.Overlay = s.store.observed()
	for _, b := range s.background {
		o.Background = append(o.Background, b.observed(time.Duration(s.now)))
	}
	for _, p := range s.probes {
		o.Probes = append(o.Probes, p.observed())
	}
	return o
}

func (h *host) observed() scenario.NodeObserved {
	c := h.counters()
	return scenario.NodeObserved{
		Finished: h.finished, Finish: time.Duration(h.finish), SHA256: h.finished,
		Received: c.Received, Duplicate: c.Duplicate, Sent: c.Sent,
	}
}

// bytes is all that has crossed a link.
func (l *link) bytes() float64 { return l.carried + l.beside }

func crossing(p *place) scenario.Crossing {
	return scenario.Crossing{Down: unit.Bytes(p.down.bytes()), Up: unit.Bytes(p.up.bytes())}
}

// notes say what of the scenario is not simulated.
func (s *simulation) notes() []string {
	var notes []string
	if s.scenario.Bandwidth != nil {
		notes = append(notes, "the simulator knows no guard of the delay: blocks go in bursts, and queues are longer than agents let them be")
	}
	if s.scenario.Strikes(scenario.BusyCPU) || s.scenario.Strikes(scenario.BusyDisk) {
		notes = append(notes, "the simulator knows no processors and disks that others use")
	}
	return notes
}

func (st *store) observed() scenario.OverlayReport {
	return scenario.OverlayReport{
		Built: time.Duration(st.changed).Seconds(), Representatives: st.most,
		StoreOps: int64(len(st.ops)), StoreOpsPeak: float64(busiest(st.ops)),
	}
}

// busiest is the most calls within one second; they are in order.
func busiest(calls []unit.Time) int {
	most, from := 0, 0
	for i, at := range calls {
		for at.Sub(calls[from]) >= second {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

func (b *background) observed(ended time.Duration) scenario.FlowReport {
	f := scenario.FlowReport{From: b.flow.From, To: b.flow.To, Asked: float64(b.flow.Rate) * 8}
	stop := ended
	if b.flow.Stop > 0 {
		stop = min(stop, b.flow.Stop)
	}
	if lasted := stop - b.flow.Start; b.over != nil && lasted > 0 {
		f.Got = b.over.carried * 8 / lasted.Seconds()
		if b.flow.Proto == scenario.UDP {
			f.Got = f.Asked
		}
	}
	return f
}

// Of probes.
const (
	probeEvery = 10 * time.Millisecond
	page       = 20e3 // bytes that an HTTP probe fetches
)

// probe measures round trips.
type probe struct {
	sim         *simulation
	probe       scenario.Probe
	there, back []*link
	idle        time.Duration
	ways        []time.Duration
	lost        int
}

// probe sets a probe. What it measures without any load is its first round trip.
func (s *simulation) probe(p scenario.Probe) {
	from, to := s.host(p.From).place, s.host(p.To).place
	x := &probe{sim: s, probe: p, there: route(from, to), back: route(to, from)}
	x.idle = x.way()
	s.probes = append(s.probes, x)
	x.tick()
}

func (p *probe) tick() {
	if blocked(p.there) || blocked(p.back) {
		p.lost++
	} else {
		p.ways = append(p.ways, p.way())
	}
	p.sim.after(probeEvery, p.tick)
}

// way is a round trip, or two and the page over the tightest link.
func (p *probe) way() time.Duration {
	round := oneWay(p.there) + oneWay(p.back)
	if p.probe.Proto != scenario.HTTP {
		return round
	}
	rate := hostRate
	for _, l := range p.back {
		rate = min(rate, l.free()/float64(len(l.flows)+1))
	}
	return 2*round + time.Duration(page/rate*float64(time.Second))
}

func (p *probe) observed() scenario.ProbeReport {
	idle, run := scenario.PercentilesOf([]time.Duration{p.idle}), scenario.PercentilesOf(p.ways)
	return scenario.ProbeReport{From: p.probe.From, To: p.probe.To, Lost: p.lost,
		IdleP50: idle.P50, IdleP99: idle.P99, RunP50: run.P50, RunP99: run.P99}
}
