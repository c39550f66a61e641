package links

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/pause"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// Who asks a source renews its lease every leaseEvery; another agent takes over
	// after leaseLife at most, and one more try.
	leaseLife  = 6 * time.Second
	leaseEvery = 2 * time.Second
	// Who gets no answer leaves the source to agents that may reach it after patience,
	// when the floor counts anyway, and later each time that it was in vain.
	patience     = 15 * time.Second
	mostPatience = 5 * time.Minute
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
