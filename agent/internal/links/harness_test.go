package links

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/store/storetest"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	mbit = unit.Rate(1e6 / 8)
	// deadline is for what takes a second or two on a quiet machine.
	deadline = 30 * time.Second
)

// mover is a swarm that downloads as fast as its budgets allow, over all hops.
type mover struct {
	mu    sync.Mutex
	wish  unit.Rate // what it would move if it could; 0 for nothing
	rank  bandwidth.Rank
	down  []bandwidth.Budget
	up    []bandwidth.Budget
	moved float64
	at    time.Time
	seen  func() // after each change of budgets
}

var _ Swarm = (*mover)(nil)

// SetBudgets implements Swarm.
func (m *mover) SetBudgets(download, upload []bandwidth.Budget) {
	m.mu.Lock()
	m.move()
	m.down, m.up = download, upload
	m.mu.Unlock()
	if m.seen != nil {
		m.seen()
	}
}

// move lets the time since the last move pass.
func (m *mover) move() {
	now := time.Now()
	if !m.at.IsZero() {
		m.moved += float64(m.rate()) * now.Sub(m.at).Seconds()
	}
	m.at = now
}

func (m *mover) rate() unit.Rate {
	rate := m.wish
	if len(m.down) == 0 {
		return 0
	}
	for _, b := range m.down {
		rate = min(rate, b.Rate)
	}
	return rate
}

// Demand implements Swarm.
func (m *mover) Demand() (all []node.HopDemand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.move()
	for hop := range m.down {
		all = append(all, node.HopDemand{Hop: hop, Rank: m.rank, Wants: m.wish > m.rate(), Moved: unit.Bytes(m.moved)})
	}
	return all
}

func (m *mover) wants(rate unit.Rate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.move()
	m.wish = rate
}

func (m *mover) rates() (now, allowed unit.Rate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rate(), m.budget(1).Rate
}

// budget is that of a hop, downward.
func (m *mover) budget(hop int) bandwidth.Budget {
	if hop >= len(m.down) {
		return bandwidth.Budget{}
	}
	return m.down[hop]
}

func (m *mover) binding(hop int) bandwidth.Binding {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.budget(hop).Binding
}

// openStore starts a Redis and returns a way to open stores at it.
func openStore(t testing.TB) (*storetest.Redis, func() *store.Store) {
	t.Helper()
	r := storetest.StartRedis(t)
	return r, func() *store.Store {
		s, err := store.Open(t.Context(), store.Config{URL: r.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
}

// newManager is that of a node at ams/r1 that has no limits of its own, and does not run.
// change, if it is not nil, changes what it is made from.
func newManager(s *store.Store, name unit.NodeID, swarm Swarm, change func(*Config)) *Manager {
	c := Config{Self: name, Location: "ams/r1", Store: s, Swarm: swarm, Policy: bandwidth.DefaultPolicy(),
		Download: unit.Unlimited, Upload: unit.Unlimited, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	return New(c)
}

// start runs a manager as newManager makes it until the test ends.
func start(t testing.TB, s *store.Store, name unit.NodeID, swarm Swarm, change func(*Config)) *Manager {
	t.Helper()
	return startWith(t.Context(), t, s, name, swarm, change)
}

// startWith is start until ctx ends.
func startWith(ctx context.Context, t testing.TB, s *store.Store, name unit.NodeID, swarm Swarm, change func(*Config)) *Manager {
	t.Helper()
	m := newManager(s, name, swarm, change)
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	t.Cleanup(running.Wait)
	return m
}

// wantFloor fails the test unless a budget is what the floor of a link of that capacity
// leaves, 0 if the capacity is not known.
func wantFloor(t testing.TB, what string, b bandwidth.Budget, capacity unit.Rate) {
	t.Helper()
	if floor := bandwidth.FloorOf(capacity); b.Rate == 0 || b.Rate > floor {
		t.Errorf("%s: %v, and the floor is %v", what, b.Binding, floor)
	}
}

// eventually waits until a condition holds, and returns how long that took.
func eventually(t testing.TB, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > deadline {
			t.Fatalf("%s: not within %v", what, deadline)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

func hasPart(text, part string) bool { return strings.Contains(text, part) }

// readingOf is what the store knows of how much of a link is used, nil for nothing.
func readingOf(t testing.TB, s *store.Store, l unit.Location) *store.LinkReading {
	t.Helper()
	answer, err := s.AskLinks(t.Context(), store.LinkQuery{Facts: []unit.Location{l}})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Facts[l].Reading
}
