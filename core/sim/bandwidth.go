package sim

import (
	"slices"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/scenario"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// awareness is what agents know of links, in a scenario that has them leave room for
// others. Sensors err in nothing; they are late by their interval.
type awareness struct {
	sim    *simulation
	policy bandwidth.Policy
	links  map[*link]*sensed
	claims map[unit.Location]map[unit.NodeID]claims
}

// sensed is what is known of one direction of a link.
type sensed struct {
	hop   topo.Hop
	use   bandwidth.LinkUse
	at    unit.Time
	says  scenario.Says
	moved float64 // by background traffic until then
}

// claims are those of a node on the uplink of a location.
type claims struct {
	at       unit.Time
	up, down []bandwidth.Claim
}

// newAwareness returns nil if the scenario's agents use links to the full.
func newAwareness(s *simulation) *awareness {
	b := s.scenario.Bandwidth
	if b == nil {
		return nil
	}
	a := &awareness{sim: s, policy: bandwidth.DefaultPolicy(), links: map[*link]*sensed{}, claims: map[unit.Location]map[unit.NodeID]claims{}}
	a.policy.Reserve = bandwidth.Part(b.Reserve)
	for _, l := range s.scenario.Locations {
		a.declare(topo.Hop{Location: l.Location}, s.places[l.Location], l.Uplink)
		a.claims[l.Location] = map[unit.NodeID]claims{}
	}
	for _, h := range s.scenario.Hosts {
		x := s.host(h.Node)
		a.declare(topo.Hop{Location: h.Location, Node: x.id}, x.place, h.Link)
	}
	return a
}

func (a *awareness) declare(hop topo.Hop, p *place, l topo.Link) {
	sensor := a.sim.scenario.Bandwidth.SNMP || hop.Node != ""
	a.links[p.down] = &sensed{hop: hop, use: bandwidth.LinkUse{Capacity: l.Down, Sensor: sensor}}
	hop.Up = true
	a.links[p.up] = &sensed{hop: hop, use: bandwidth.LinkUse{Capacity: l.Up, Sensor: sensor}}
}

// read has all sensors read, again and again.
func (a *awareness) read() {
	s := a.sim
	for _, l := range s.net.links {
		if x := a.links[l]; x.says == scenario.Truth || x.says == "" {
			x.read(s, l)
		}
	}
	s.after(s.scenario.Bandwidth.Interval, a.read)
}

// read takes what background traffic uses of a link.
func (x *sensed) read(s *simulation, l *link) {
	others, moved := l.taken, s.yielding(l)
	if passed := s.now.Sub(x.at).Seconds(); passed > 0 {
		others += (moved - x.moved) / passed
	}
	x.at, x.moved = s.now, moved
	x.use.Measured, x.use.Others = true, unit.Rate(others/topo.Goodput)
}

// set has the sensors know that a link's capacity is another.
func (a *awareness) set(p *place, l topo.Link) {
	if a != nil {
		a.links[p.up].use.Capacity, a.links[p.down].use.Capacity = l.Up, l.Down
	}
}

// answers changes what the device of a location's uplink says.
func (a *awareness) answers(l unit.Location, says scenario.Says) {
	if a != nil {
		p := a.sim.places[l]
		a.links[p.up].says, a.links[p.down].says = says, says
	}
}

// fleet is what all agents together may use of a link.
func (a *awareness) fleet(l *link) bandwidth.Budget {
	x := a.links[l]
	use := x.use
	use.Age = a.sim.now.Sub(x.at)
	return a.policy.Budget(x.hop, use)
}

// sharing is an agent's part in what others use, too: the uplinks on its way to the
// root, from its own location outward.
type sharing struct {
	host    *host
	uplinks []*shared
	said    node.BudgetsChanged
}

// shared is an uplink as an agent uses it.
type shared struct {
	location unit.Location
	place    *place
	up, down *bandwidth.User
	claiming bool // others know of a claim
}

// share has an agent keep within the budgets while it lives. Agents take turns in each
// interval.
func (a *awareness) share(h *host) {
	x := &sharing{host: h}
	for _, l := range h.location.Path() {
		if l != unit.Root {
			x.uplinks = append(x.uplinks, &shared{location: l, place: a.sim.places[l],
				up: bandwidth.NewUser(h.id, bandwidth.ClaimWindow), down: bandwidth.NewUser(h.id, bandwidth.ClaimWindow)})
		}
	}
	x.decide()
	first := bandwidth.ClaimEvery * time.Duration(slices.Index(a.sim.order, h)) / time.Duration(len(a.sim.order))
	h.then(first, x.turn)
}

// turn looks at what is wanted, tells others, and sets the budgets anew.
func (x *sharing) turn() {
	s := x.host.sim
	for _, d := range x.host.machine.Demand(s.now) {
		if i := d.Hop - 1; i >= 0 {
			u := x.uplinks[i]
			user := u.down
			if d.Up {
				user = u.up
			}
			user.Observe(s.now, d.Rank, d.Wants, d.Moved)
		}
	}
	for _, u := range x.uplinks {
		u.exchange(x.host)
	}
	x.decide()
	x.host.then(bandwidth.ClaimEvery, x.turn)
}

// exchange tells others what the agent wants of an uplink, and hears of theirs.
func (u *shared) exchange(h *host) {
	s := h.sim
	capacity := func(l *link) unit.Rate { return s.aware.links[l].use.Capacity }
	up, down := u.up.Claims(s.now, capacity(u.place.up)), u.down.Claims(s.now, capacity(u.place.down))
	claiming := len(up)+len(down) > 0
	if !claiming && !u.claiming {
		return
	}
	var allUp, allDown []bandwidth.Claim
	s.store.call(h, func() {
		on := s.aware.claims[u.location]
		on[h.id] = claims{s.now, up, down}
		for _, id := range sortedKeys(on) {
			if c := on[id]; s.now.Sub(c.at) < bandwidth.ClaimLife {
				allUp, allDown = append(allUp, c.up...), append(allDown, c.down...)
			}
		}
	}, func() {
		u.claiming = claiming
		// The simulated store loses nothing. Agents know that of links that a device measures.
		u.up.Heard(s.now, up, allUp, true)
		u.down.Heard(s.now, down, allDown, true)
	})
}

// decide tells the machine what it may move, if that is news.
func (x *sharing) decide() {
	h := x.host
	s := h.sim
	ev := node.BudgetsChanged{
		Download: []bandwidth.Budget{s.aware.fleet(h.place.down).Payload()},
		Upload:   []bandwidth.Budget{s.aware.fleet(h.place.up).Payload()},
	}
	for _, u := range x.uplinks {
		ev.Download = append(ev.Download, u.down.Budget(s.now, s.aware.fleet(u.place.down)))
		ev.Upload = append(ev.Upload, u.up.Budget(s.now, s.aware.fleet(u.place.up)))
	}
	if !slices.Equal(ev.Download, x.said.Download) || !slices.Equal(ev.Upload, x.said.Upload) {
		x.said = ev
		h.step(ev)
	}
}
