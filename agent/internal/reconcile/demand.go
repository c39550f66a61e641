package reconcile

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	// demandInterval is how often a seeding node asks whether it still has to.
	demandInterval = time.Second
	// demandPerNode is added to that for each node that still needs the artifact:
	// while there are many, the answer will not change soon, and it is long.
	demandPerNode = 5 * time.Millisecond
	// idleInterval is how often a node asks about what it holds and does not
	// seed, in case it did not hear that somebody needs it.
	idleInterval = 10 * time.Second
)

// demandPoller asks the store who still needs what this node holds, and sends
// each answer to the loop (requirements 27 and 28).
type demandPoller struct {
	store *store.Store
	self  unit.NodeID
	send  func(event)
	log   *slog.Logger
	rng   *unit.Rand // touched only by run

	mu   sync.Mutex
	held map[artifact.Digest]*heldArtifact
	wake chan struct{}
}

type heldArtifact struct {
	seeding bool
	next    time.Time // when to ask; zero is now
}

// set replaces what this node holds; the value says whether it is seeding it.
func (p *demandPoller) set(held map[artifact.Digest]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for d := range p.held {
		if _, still := held[d]; !still {
			delete(p.held, d)
		}
	}
	for d, seeding := range held {
		if h := p.held[d]; h == nil || h.seeding != seeding {
			p.held[d] = &heldArtifact{seeding: seeding}
			p.wakeUp()
		}
	}
}

// ask asks about one artifact now, if it is held; about all if d is nil.
func (p *demandPoller) ask(d *artifact.Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for digest, h := range p.held {
		if d == nil || *d == digest {
			h.next = time.Time{}
			p.wakeUp()
		}
	}
}

func (p *demandPoller) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *demandPoller) run(ctx context.Context) {
	repeat(ctx, demandInterval/2, p.wake, func() {
		for _, d := range p.due(time.Now()) {
			p.poll(ctx, d)
		}
	})
}

// repeat calls look at once, each interval and when it is woken, until ctx ends.
// A nil wake never does.
func repeat(ctx context.Context, interval time.Duration, wake <-chan struct{}, look func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		look()
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-tick.C:
		}
	}
}

func (p *demandPoller) due(now time.Time) []artifact.Digest {
	p.mu.Lock()
	defer p.mu.Unlock()
	var due []artifact.Digest
	for d, h := range p.held {
		if !h.next.After(now) {
			due = append(due, d)
		}
	}
	slices.SortFunc(due, compareDigests)
	return due
}

func (p *demandPoller) poll(ctx context.Context, d artifact.Digest) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	p.schedule(d, 0) // before asking: what comes meanwhile is asked again
	nodes, err := p.store.Pending(ctx, d)
	if err != nil {
		p.log.Debug("demand is not known; seeding stays as it is", "digest", d, "error", err)
		return
	}
	needed := slices.ContainsFunc(nodes, func(n store.PendingNode) bool { return n.Node != p.self })
	if len(nodes) > 0 {
		p.schedule(d, len(nodes))
	}
	p.send(demandSeen{d, needed})
}

func (p *demandPoller) schedule(d artifact.Digest, nodes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.held[d]
	if h == nil {
		return
	}
	wait := idleInterval
	if h.seeding || nodes > 0 {
		wait = demandInterval
	}
	wait = min(wait+time.Duration(nodes)*demandPerNode, resyncInterval)
	h.next = time.Now().Add(wait - p.rng.Jitter(wait/4))
}
