package sim

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/swarm"
	"github.com/rackswarm/rackswarm/core/trace"
	"github.com/rackswarm/rackswarm/core/unit"
)

// System is what a report of the simulator is of.
const System = "sim"

// Options are what a run depends on beside its scenario.
type Options struct {
	Seed uint64 // of all that is left to chance
	// Trace, if it is there, gets what each node sees and decides, as agents write
	// it. Slashes in the names of nodes become dots.
	Trace func(trace.Line)
}

// Run plays a scenario until all receivers have everything, or its deadline, and
// reports what came of it. The same scenario and options give the same report.
// A scenario that Parse did not return may be an error.
func Run(s *scenario.Scenario, o Options) (scenario.Report, error) {
	sim, err := newSimulation(s, o)
	if err != nil {
		return scenario.Report{}, fmt.Errorf("simulate %s: %w", s.Name, err)
	}
	sim.play()
	return s.Report(System, sim.observed())
}

// simulation is one run.
type simulation struct {
	clock
	scenario *scenario.Scenario
	trace    func(trace.Line) // or nil
	rand     *unit.Rand
	net      *network
	store    *store
	places   map[unit.Location]*place
	hosts    map[unit.NodeID]*host // by the names of their agents
	order    []*host
	digest   artifact.Digest
	lengths  []int32 // of the spans, in bytes
	manifest uint32  // bytes
	waiting  int     // receivers that have yet to finish
	stopped  bool    // all have, or none can any more

	received   unit.Bytes
	startWays  []scenario.StartWay
	meter      *meter
	aware      *awareness // nil: agents use links to the full
	watch      *watch     // nil: nobody looks at links over time
	background []*background
	probes     []*probe
}

func newSimulation(s *scenario.Scenario, o Options) (*simulation, error) {
	sim := &simulation{
		scenario: s, trace: o.Trace, rand: unit.NewRand(o.Seed),
		places: map[unit.Location]*place{}, hosts: map[unit.NodeID]*host{},
	}
	sim.net = newNetwork(&sim.clock)
	sim.store = newStore(sim)
	if err := sim.layOut(s.Artifact); err != nil {
		return nil, err
	}
	for _, l := range s.Locations {
		sim.places[l.Location] = sim.net.place(sim.placeOf(l.Location.Parent()), l.Uplink, l.RTT/2, l.Loss)
	}
	for _, h := range s.Hosts {
		if err := sim.add(h); err != nil {
			return nil, err
		}
	}
	for _, id := range s.Initial {
		h := sim.host(id)
		if h == nil {
			return nil, fmt.Errorf("initial seeder %s is not a host", id)
		}
		h.initial, h.disk = true, artifact.All(len(sim.lengths))
	}
	for _, id := range s.Receivers {
		h := sim.host(id)
		if h == nil {
			return nil, fmt.Errorf("receiver %s is not a host", id)
		}
		h.receiver = true
	}
	sim.meter = newMeter(sim)
	if sim.aware = newAwareness(sim); sim.aware != nil {
		sim.watch = newWatch(sim)
	}
	return sim, nil
}

func (s *simulation) add(h scenario.Host) error {
	if other := s.host(h.Node); other != nil {
		return fmt.Errorf("agents of the hosts %s and %s would have one name; rename a location", other.node, h.Node)
	}
	x := &host{
		sim: s, id: nameOf(h.Node), node: h.Node, location: h.Location,
		place: s.net.place(s.placeOf(h.Location), h.Link, 0, 0),
		disk:  artifact.NewBitset(len(s.lengths)),
	}
	s.hosts[x.id] = x
	s.order = append(s.order, x)
	return nil
}

// host is the one that the scenario calls so, nil if there is none.
func (s *simulation) host(id unit.NodeID) *host { return s.hosts[nameOf(id)] }

func (s *simulation) placeOf(l unit.Location) *place {
	if l == unit.Root {
		return s.net.root
	}
	return s.places[l]
}

// layOut makes a manifest of the content's sizes, for its spans and its length.
func (s *simulation) layOut(a scenario.Artifact) error {
	sizes := a.Sizes()
	piece := int64(a.Piece)
	if piece == 0 {
		piece = artifact.ChoosePieceLength(int64(a.Size), len(sizes))
	}
	const name = "artifact"
	b := artifact.NewBuilder(name, artifact.KindFile, piece)
	if len(sizes) > 1 {
		b = artifact.NewBuilder(name, artifact.KindTree, piece)
		b.AddDir("", 0o755)
	}
	for i, size := range sizes {
		path := name
		if len(sizes) > 1 {
			path = fmt.Sprintf("%08d", i)
		}
		b.AddFile(path, 0o644, int64(size), hashes(i, (int64(size)+piece-1)/piece))
	}
	m, err := b.Build()
	if err != nil {
		return err
	}
	s.digest, s.lengths, s.manifest = m.Digest(), m.SpanLengths(), uint32(len(m.Encode()))
	return nil
}

// hashes stand for those of the pieces of a file. No two are the same.
func hashes(file int, pieces int64) [][32]byte {
	all := make([][32]byte, pieces)
	for i := range all {
		binary.BigEndian.PutUint64(all[i][:], uint64(file))
		binary.BigEndian.PutUint64(all[i][8:], uint64(i)+1)
	}
	return all
}

// config is what a host's machine is made from.
func (s *simulation) config(h *host) node.Config {
	st := s.scenario.Strategy
	return node.Config{
		Self: h.id, Addr: string(h.id), Location: h.location,
		Seed:     unit.Seed(string(h.id)) ^ s.rand.Uint64(),
		Download: unit.Unlimited, Upload: unit.Unlimited,
		Strategy: node.Strategy{
			Overlay: st.Overlay, Division: st.Division, Stealing: st.Stealing,
			LowLatency: st.LowLatency, Picker: swarm.Picker(st.Picker),
		},
	}
}

// play has everybody join and lets time pass.
func (s *simulation) play() {
	s.waiting = len(s.scenario.Receivers)
	killed := s.scenario.KilledForGood()
	for _, id := range s.scenario.Receivers {
		if killed[id] {
			s.waiting--
		}
	}
	for _, id := range s.scenario.Initial {
		s.join(s.host(id), 0)
	}
	for i, id := range s.scenario.Receivers {
		s.join(s.host(id), s.scenario.Join[i])
	}
	s.plan()
	if s.aware != nil {
		s.aware.read()
		s.watch.tick()
	}
	s.store.sweep()
	s.meter.tick()
	for !s.stopped && s.next(unit.Time(s.scenario.Deadline)) {
	}
}

// join has a host hear of the distribution, read it and join.
func (s *simulation) join(h *host, at time.Duration) {
	heard := oneWay(h.down()) + oneWay(h.up()) + oneWay(h.down()) + s.planned()
	s.after(at+heard, func() {
		if h.machine == nil && !h.killed {
			h.start()
		}
	})
}

// planned is how long an agent takes from hearing of the distribution to joining. Of
// what the overlay does much is left to chance; without it only this is.
func (s *simulation) planned() time.Duration {
	if s.scenario.Strategy.Overlay {
		return planTime
	}
	return planTime + s.rand.Jitter(planTime)
}

// done counts a receiver that has everything.
func (s *simulation) done(h *host) {
	if s.scenario.KilledForGood()[h.node] {
		return
	}
	s.waiting--
	s.stopped = s.waiting == 0
}
