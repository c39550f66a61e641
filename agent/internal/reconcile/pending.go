package reconcile

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/store"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	pendingTTL      = 15 * time.Second
	pendingInterval = pendingTTL / 3
)

// pendingKeeper tells the store which artifacts this node still needs
// (requirement 28's PENDING), and keeps saying so while it is true.
type pendingKeeper struct {
	store *store.Store
	node  unit.NodeID
	loc   unit.Location
	log   *slog.Logger

	mu     sync.Mutex
	wanted map[artifact.Digest]struct{}
	wake   chan struct{}
}

func newPendingKeeper(s *store.Store, node unit.NodeID, loc unit.Location, log *slog.Logger) *pendingKeeper {
	return &pendingKeeper{store: s, node: node, loc: loc, log: log, wake: make(chan struct{}, 1)}
}

// set replaces what this node needs.
func (p *pendingKeeper) set(wanted map[artifact.Digest]struct{}) {
	p.mu.Lock()
	same := maps.Equal(p.wanted, wanted)
	p.wanted = wanted
	p.mu.Unlock()
	if !same {
		p.refresh()
	}
}

// refresh says everything again now.
func (p *pendingKeeper) refresh() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pendingKeeper) run(ctx context.Context) {
	tick := time.NewTicker(pendingInterval)
	defer tick.Stop()
	told := map[artifact.Digest]struct{}{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-tick.C:
		}
		told = p.tell(ctx, told)
	}
}

// tell sets what is wanted and clears what was told before and is not any more.
// It returns what the store may now hold.
func (p *pendingKeeper) tell(ctx context.Context, told map[artifact.Digest]struct{}) map[artifact.Digest]struct{} {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	p.mu.Lock()
	wanted := maps.Clone(p.wanted)
	p.mu.Unlock()
	now := map[artifact.Digest]struct{}{}
	for d := range wanted {
		if err := p.store.SetPending(ctx, d, p.node, p.loc, pendingTTL); err != nil {
			p.log.Debug("need for an artifact is not told; trying again", "digest", d, "error", err)
		}
		now[d] = struct{}{}
	}
	for d := range told {
		if _, still := wanted[d]; still {
			continue
		}
		if err := p.store.ClearPending(ctx, d, p.node); err != nil {
			p.log.Debug("need for an artifact is left to expire", "digest", d, "error", err)
		}
	}
	return now
}
