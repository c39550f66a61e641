package scenario

import (
	"path"
	"strings"
	"time"

	"github.com/goccy/go-yaml/token"

	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// DefaultDeadline is the deadline of a scenario that has none.
const DefaultDeadline = time.Hour

// DefaultReserve is the share of each link that stays free if a scenario has a
// bandwidth section without reserve.
const DefaultReserve = 0.2

// parse is the state of reading one scenario.
type parse struct {
	*reader
	s *Scenario

	host     topo.Link // of hosts that have no link of their own
	uplinks  map[unit.Location]Location
	members  map[unit.Location][]unit.NodeID
	position map[unit.NodeID]int // in s.Hosts
}

// Parse reads a scenario from the content of a file; the file's name stands in
// errors, and names a scenario that has no name. Everything that is wrong is
// reported at once: the error joins one *api.Error for each, with file, line and
// column, the key, and what to write instead.
//
// Only artifact.size and locations with hosts are necessary. The defaults are:
// one file of pieces as a publisher would choose, seed 0; unlimited uplinks and
// hosts; the first host as initial seeder, all others as receivers, without
// stagger; DefaultDeadline; normal priority without a window; the strategy with all parts on; no bandwidth section
// (with one: DefaultReserve, no SNMP, an interval of 1 s); the store redis; TLS;
// background over tcp and probes over udp.
func Parse(file string, text []byte) (*Scenario, error) {
	p := &parse{
		reader: &reader{file: file},
		s: &Scenario{
			Name: strings.TrimSuffix(path.Base(file), path.Ext(file)), Artifact: Artifact{Files: 1}, Deadline: DefaultDeadline,
			Strategy: Strategy{Overlay: true, Division: true, Stealing: true, LowLatency: true, Picker: Stealing},
			Store:    Redis, TLS: true, Priority: Normal,
		},
		host: topo.Unlimited, uplinks: map[unit.Location]Location{},
		members: map[unit.Location][]unit.NodeID{}, position: map[unit.NodeID]int{},
	}
	if body := p.open(text); body != nil {
		p.mapping("", body, p.fields())
	}
	p.complete()
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.s, nil
}

func (p *parse) fields() []field {
	s := p.s
	return []field{
		{"name", p.name},
		{"artifact", p.artifact},
		{"host", p.link(&p.host)},
		{"locations", p.locations},
		{"initial", p.initial},
		{"receivers", p.receivers},
		{"stagger", p.duration(&s.Stagger)},
		{"deadline", p.duration(&s.Deadline)},
		{"priority", choice(p.reader, &s.Priority, Background, Normal, Urgent)},
		{"window", p.window},
		{"strategy", p.strategy},
		{"bandwidth", p.bandwidth},
		{"store", choice(p.reader, &s.Store, Redis, RedisTLS, Sentinel, Cluster, Embedded)},
		{"security", p.security},
		{"background", p.background},
		{"probes", p.probes},
		{"faults", p.faults},
	}
}

// start is where a problem is that no line is to blame for.
var start = &token.Position{Line: 1, Column: 1}

// complete fills in what the file left to the defaults and looks for what is
// missing. With problems before, it says nothing: they may be the cause.
func (p *parse) complete() {
	if len(p.problems) > 0 {
		return
	}
	s := p.s
	if s.Artifact.Size == 0 {
		p.add(start, "artifact.size", "write for example artifact: {size: 173MB}", "is missing, or nothing")
	}
	if len(s.Hosts) == 0 {
		p.add(start, "locations", "write for example locations: {ams/b-5: {hosts: 5}}", "there are no hosts")
		return
	}
	s.Locations = p.places()
	if s.Initial == nil {
		s.Initial = []unit.NodeID{s.Hosts[0].Node}
	}
	p.receive()
}
