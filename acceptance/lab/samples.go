package main

import (
	"errors"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/child"
	"github.com/rackswarm/rackswarm/acceptance/lab/network"
	"github.com/rackswarm/rackswarm/acceptance/usage"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// samples are what counters say while a run goes on. All but capacity is called
// from one goroutine.
type samples struct {
	round *round
	hosts []unit.NodeID // that take part

	uplinks  map[unit.Location]scenario.Crossing // payload before the distribution
	links    map[unit.NodeID]scenario.Crossing   // likewise, of the hosts
	wire     map[unit.Location]network.Passed    // at the last look
	at       time.Time                           // of the last look
	use      map[unit.Location]scenario.Peak
	bytes    []scenario.Point
	rss      map[unit.NodeID]unit.Bytes
	before   map[*child.Process]time.Duration // CPU time before the distribution
	programs map[unit.NodeID]map[*child.Process]bool

	mu         sync.Mutex
	capacities map[unit.Location]topo.Link // now
	most       map[unit.Location]topo.Link // since the last look
}

func newSamples(r *round) *samples {
	s := &samples{
		round: r, uplinks: map[unit.Location]scenario.Crossing{}, links: map[unit.NodeID]scenario.Crossing{},
		use: map[unit.Location]scenario.Peak{}, rss: map[unit.NodeID]unit.Bytes{},
		before: map[*child.Process]time.Duration{}, programs: map[unit.NodeID]map[*child.Process]bool{},
		capacities: map[unit.Location]topo.Link{}, most: map[unit.Location]topo.Link{},
	}
	s.hosts = append(append(s.hosts, r.scenario.Initial...), r.scenario.Receivers...)
	for _, l := range r.scenario.Locations {
		s.capacities[l.Location], s.most[l.Location] = l.Uplink, l.Uplink
	}
	return s
}

// capacity notes that a link was changed.
func (s *samples) capacity(loc unit.Location, l topo.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacities[loc] = l
	s.most[loc] = topo.Link{Up: max(s.most[loc].Up, l.Up), Down: max(s.most[loc].Down, l.Down)}
}

// begin reads the counters before anything is distributed.
func (s *samples) begin() (err error) {
	n := s.round.network
	for _, l := range s.round.scenario.Locations {
		if s.uplinks[l.Location], err = n.Crossed(l.Location); err != nil {
			return err
		}
	}
	if s.wire, err = n.Wires(); err != nil {
		return err
	}
	for _, node := range s.hosts {
		if s.links[node], err = n.HostCrossed(node); err != nil {
			return err
		}
		for _, p := range s.round.runs.Processes(node) {
			s.before[p] = usage.CPU(p)
		}
	}
	s.at = time.Now()
	return nil
}

// look reads the counters at a time when so much had passed the uplinks.
func (s *samples) look(now time.Time, wire map[unit.Location]network.Passed) error {
	passed := now.Sub(s.at).Seconds()
	s.at = now
	if passed >= leastSample.Seconds() {
		for loc, total := range wire {
			s.peak(loc, subtract(total.All, s.wire[loc].All), passed)
		}
	}
	s.wire = wire
	received, err := s.received()
	s.bytes = append(s.bytes, scenario.Point{now.Sub(s.round.zero).Seconds(), float64(received)})
	s.lookAtProcesses()
	return errors.Join(err, s.round.devices.look())
}

// leastSample is the least time that says something about a link's use: less is
// what its queue let go at once.
const leastSample = sampleInterval / 2

// peak notes the highest share of a link's capacity. A link without bound has
// none.
func (s *samples) peak(loc unit.Location, c scenario.Crossing, seconds float64) {
	s.mu.Lock()
	link := s.most[loc]
	s.most[loc] = s.capacities[loc]
	s.mu.Unlock()
	use := s.use[loc]
	use.Up = max(use.Up, share(c.Up, link.Up, seconds))
	use.Down = max(use.Down, share(c.Down, link.Down, seconds))
	s.use[loc] = use
}

func share(b unit.Bytes, r unit.Rate, seconds float64) float64 {
	if r == unit.Unlimited || r == 0 {
		return 0
	}
	return float64(b) / (float64(r) * seconds)
}

func subtract(a, b scenario.Crossing) scenario.Crossing {
	return scenario.Crossing{Down: a.Down - b.Down, Up: a.Up - b.Up}
}

// received is what all receivers have received, as the system says or, if it does
// not, their interfaces.
func (s *samples) received() (unit.Bytes, error) {
	var sum unit.Bytes
	for _, node := range s.round.scenario.Receivers {
		if st := s.round.runs.State(node); st.Counted {
			sum += st.Received
			continue
		}
		c, err := s.round.network.HostCrossed(node)
		if err != nil {
			return 0, err
		}
		sum += c.Down - s.links[node].Down
	}
	return sum, nil
}

// lookAtProcesses notes what runs, and how much memory it has used.
func (s *samples) lookAtProcesses() {
	for _, node := range s.hosts {
		for _, p := range s.round.runs.Processes(node) {
			if s.programs[node] == nil {
				s.programs[node] = map[*child.Process]bool{}
			}
			s.programs[node][p] = true
			if p.Running() {
				s.rss[node] = max(s.rss[node], unit.Bytes(usage.Peak(p.Pid())))
			}
		}
	}
}

// finish looks for the last time and fills in what was seen.
func (s *samples) finish(o *scenario.Observed) {
	if err := s.collect(o); err != nil {
		s.round.note("read counters: %v", err)
	}
	o.LinkUse, o.Bytes = s.use, s.bytes
	for node, n := range o.Nodes {
		n.MaxRSS = s.rss[node]
		for p := range s.programs[node] {
			n.CPU += usage.CPU(p) - s.before[p]
		}
		if st := s.round.runs.State(node); st.Counted {
			n.Received, n.Duplicate, n.Sent = st.Received, st.Duplicate, st.Sent
		}
		o.Nodes[node] = n
	}
}

func (s *samples) collect(o *scenario.Observed) error {
	now := time.Now()
	wire, err := s.round.network.Wires()
	if err != nil {
		return err
	}
	if err := s.look(now, wire); err != nil {
		return err
	}
	o.Crossed = map[unit.Location]scenario.Crossing{}
	for _, l := range s.round.scenario.Locations {
		c, err := s.round.network.Crossed(l.Location)
		if err != nil {
			return err
		}
		o.Crossed[l.Location] = subtract(c, s.uplinks[l.Location])
	}
	for node, n := range o.Nodes {
		c, err := s.round.network.HostCrossed(node)
		if err != nil {
			return err
		}
		n.Crossed = subtract(c, s.links[node])
		o.Nodes[node] = n
	}
	return nil
}
