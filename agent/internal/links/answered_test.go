package links

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/store/storetest"
	"github.com/rackswarm/rackswarm/core/unit"
)

// counted is a mover that counts the turns.
type counted struct {
	mover
	turns atomic.Int32
}

func (c *counted) Demand() []node.HopDemand {
	c.turns.Add(1)
	return c.mover.Demand()
}

// TestAStoreThatTakesNothingIsToldOfOnce: reads succeed and writes do not, as with a
// server that has lost its replicas, for any number of turns. The floor counts.
func TestAStoreThatTakesNothingIsToldOfOnce(t *testing.T) {
	t.Parallel()
	r := storetest.StartRedis(t, "--min-replicas-to-write", "1")
	s, err := store.Open(t.Context(), store.Config{URL: r.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	m, log := &counted{}, &lines{}
	start(t, s, "n", m, func(c *Config) {
		c.Links = map[unit.Location]Link{"ams/r1": {Up: 100 * mbit, Down: 100 * mbit}}
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
	m.wants(1000 * mbit)
	const said = "shares of links cannot be agreed on"
	eventually(t, "the warning", func() bool { return log.count(said) > 0 })
	before := m.turns.Load()
	eventually(t, "more turns", func() bool { return m.turns.Load() > before+5 })
	if n := log.count(said); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	if now, _ := m.rates(); now == 0 || onLink(now) > bandwidth.FloorOf(100*mbit) {
		t.Errorf("%v are moved", now)
	}
}

// TestWithoutLinksTheStoreIsNotMissed: who has no declared link on its way needs no
// store for it, and does not speak of it.
func TestWithoutLinksTheStoreIsNotMissed(t *testing.T) {
	t.Parallel()
	r := storetest.StartRedis(t)
	s, err := store.Open(t.Context(), store.Config{URL: r.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	r.Kill()
	m, log := &counted{}, &lines{}
	start(t, s, "n", m, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	m.wants(1000 * mbit)
	eventually(t, "some turns", func() bool { return m.turns.Load() > 5 })
	if n := log.count("shares of links"); n != 0 {
		t.Errorf("the store is missed %d times", n)
	}
}

// lines is what was logged.
type lines struct {
	lock sync.Mutex
	all  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.all.Write(b)
}

func (l *lines) count(part string) int {
	l.lock.Lock()
	defer l.lock.Unlock()
	return strings.Count(l.all.String(), part)
}
