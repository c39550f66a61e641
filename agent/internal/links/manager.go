package links

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/topo"
	"github.com/rackswarm/rackswarm/core/unit"
)

// Swarm is what moves bytes within the budgets. Its methods are called from any
// goroutine.
type Swarm interface {
	// SetBudgets says what payload may be moved over each hop on the way to the root,
	// the node's own link first.
	SetBudgets(download, upload []bandwidth.Budget)
	// Demand is what transfers want of the hops, and what they have moved.
	Demand() []node.HopDemand
}

// Config is what a Manager is made from. The caller owns the store.
type Config struct {
	Self     unit.NodeID
	Location unit.Location
	Store    *store.Store
	Swarm    Swarm
	// Policy counts for all links that say nothing else.
	Policy bandwidth.Policy
	Links  map[unit.Location]Link
	// Sources are asked how much of links is used.
	Sources []Source
	// Download and Upload are what all transfers together may move at first; see
	// SetRates.
	Download, Upload unit.Rate
	// Host is what the load of this host leaves of its own link's budget; nil is all.
	Host func(bandwidth.Budget) bandwidth.Budget
	// File keeps what the store says of links for a restart without it; "" is none.
	File   string
	Logger *slog.Logger // slog.Default if nil
}

// Manager keeps this node's traffic within the budgets of the links that it crosses.
type Manager struct {
	cfg   Config
	log   *slog.Logger
	epoch time.Time
	known *knowledge
	path  []unit.Location // whose links this node uses, from its own outward
	// places are where peers stand.
	places places

	// What follows is touched only by Run.
	uplinks []*uplink // those of path
	budgets map[topo.Hop]bandwidth.Budget
	down    bool // the store did not answer

	mu    sync.Mutex
	rates [2]unit.Rate          // down and up, of the node's own link
	outer [2][]bandwidth.Budget // down and up, of the uplinks
	said  [2][]bandwidth.Budget // what the swarm was told last
}

// New returns a manager, and tells the swarm what it may move until the store answers:
// of a link that is known to be declared, the floor. Run does the rest.
func New(c Config) *Manager {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Host == nil {
		c.Host = func(b bandwidth.Budget) bandwidth.Budget { return b }
	}
	m := &Manager{cfg: c, log: c.Logger, epoch: time.Now(), budgets: map[topo.Hop]bandwidth.Budget{}, rates: [2]unit.Rate{c.Download, c.Upload}}
	m.known = &knowledge{clock: m.now, epoch: m.epoch, own: map[unit.Location]bool{}, files: c.Links, sensors: map[unit.Location]bool{}, keeper: keeper{file: c.File}, log: c.Logger,
		looked: map[unit.Location]unit.Time{}}
	for _, s := range c.Sources {
		for _, l := range s.Links {
			m.known.sensors[l] = true
		}
	}
	for _, l := range c.Location.Path() {
		if l != unit.Root {
			m.uplinks, m.path = append(m.uplinks, newUplink(c.Self, l)), append(m.path, l)
			m.known.own[l] = true
		}
	}
	m.known.recall(m.path)
	m.decide(m.now())
	m.apply()
	return m
}

func (m *Manager) now() unit.Time { return unit.Time(time.Since(m.epoch)) }

// SetRates bounds the payload of all transfers together from now on.
func (m *Manager) SetRates(download, upload unit.Rate) {
	m.mu.Lock()
	m.rates = [2]unit.Rate{download, upload}
	m.mu.Unlock()
	m.apply()
}

// Changed says that operators say something else of links, or may have: at the next turn
// that is read. It may be called from any goroutine.
func (m *Manager) Changed() { m.known.changed() }

// Run works until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	for _, s := range m.cfg.Sources {
		asking.Go(func() { m.attend(ctx, s) })
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for last := unit.Time(0); ; {
		switch now := m.now(); {
		case last == 0 || now.Sub(last) >= bandwidth.ClaimEvery-lookEvery/2 || m.begins():
			last = now
			m.turn(ctx)
		case m.joins():
			m.decide(now)
			m.apply()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// lookEvery is how often it is looked between turns whether something begins: a
// transfer has the floor until then.
const lookEvery = 50 * time.Millisecond

// begins reports whether something is wanted of an uplink of which nothing was.
func (m *Manager) begins() bool {
	return slices.ContainsFunc(m.cfg.Swarm.Demand(), func(d node.HopDemand) bool {
		i := d.Hop - 1
		return d.Wants && i >= 0 && i < len(m.uplinks) && !m.uplinks[i].direction(d.Up).Active()
	})
}

// joins reports whether this node's claim on an uplink is still to be heard by others.
func (m *Manager) joins() bool {
	return slices.ContainsFunc(m.uplinks, func(u *uplink) bool {
		return slices.ContainsFunc([]direction{u.down, u.up}, func(d direction) bool {
			return d.Active() && m.budgets[d.hop].Binding.Reason == bandwidth.Joining
		})
	})
}

// turn looks at what is wanted and moved, tells others, and sets the budgets anew.
func (m *Manager) turn(ctx context.Context) {
	m.observe(m.now(), m.cfg.Swarm.Demand())
	m.locate(ctx)
	q, turns := m.known.due(m.now(), m.busy(), m.path), m.claims()
	if q.All || len(q.Facts)+len(turns) > 0 {
		m.answered(ctx, m.query(ctx, q, turns))
	}
	m.decide(m.now())
	m.apply()
}

// busy reports whether something is or was moved over an uplink.
func (m *Manager) busy() bool {
	return slices.ContainsFunc(m.uplinks, func(u *uplink) bool { return u.up.Active() || u.down.Active() })
}

func (m *Manager) observe(now unit.Time, demand []node.HopDemand) {
	for _, d := range demand {
		if i := d.Hop - 1; i >= 0 && i < len(m.uplinks) {
			m.uplinks[i].direction(d.Up).Observe(now, d.Rank, d.Wants, d.Moved)
		}
	}
}

// answered logs that the store does not answer all that a turn asks of it, once until
// it does: one that only reads can be done with is no better. Where no link is
// declared nothing is lost by it.
func (m *Manager) answered(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !m.down && m.anyKnown():
		m.down = true
		m.log.Warn("shares of links cannot be agreed on: the floor counts until the store answers", "error", err)
	case err == nil:
		m.down = false
	}
}

// anyKnown reports whether anybody declared one of the uplinks.
func (m *Manager) anyKnown() bool {
	return slices.ContainsFunc(m.uplinks, func(u *uplink) bool { return m.known.of(u.location).known() })
}

// decide computes the budgets of the uplinks.
func (m *Manager) decide(now unit.Time) {
	var outer [2][]bandwidth.Budget
	for _, u := range m.uplinks {
		f := m.known.of(u.location)
		for i, d := range []direction{u.down, u.up} {
			b := bandwidth.NoLimit(d.hop)
			if f.known() {
				b = d.Budget(now, f.budget(now, m.cfg.Policy, d.hop.Up))
			}
			m.tell(d.hop, b)
			outer[i] = append(outer[i], b)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outer = outer
}

// tell logs budgets that another reason sets than before.
func (m *Manager) tell(h topo.Hop, b bandwidth.Budget) {
	before, ok := m.budgets[h]
	m.budgets[h] = b
	if ok && before.Binding.Reason != b.Binding.Reason {
		m.log.Debug("what may be moved over a link follows from another reason", "binding", b.Binding.String())
	}
}

// apply brings the budgets to the swarm.
func (m *Manager) apply() {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all [2][]bandwidth.Budget
	for i, up := range []bool{false, true} {
		own := bandwidth.NoLimit(topo.Hop{Location: m.cfg.Location, Node: m.cfg.Self, Up: up}).AtMost(m.rates[i], bandwidth.Group)
		all[i] = append([]bandwidth.Budget{m.cfg.Host(own)}, m.outer[i]...)
	}
	if slices.Equal(all[0], m.said[0]) && slices.Equal(all[1], m.said[1]) {
		return
	}
	m.said = all
	m.cfg.Swarm.SetBudgets(all[0], all[1])
}
