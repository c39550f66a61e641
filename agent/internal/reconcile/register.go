package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

const (
	nodeTTL      = 15 * time.Second
	nodeInterval = nodeTTL / 3
	// storeTimeout bounds one exchange with the store.
	storeTimeout = 5 * time.Second
	// farewell bounds what is said to the store at shutdown.
	farewell = 2 * time.Second
)

// register keeps this node's record alive until ctx ends, and removes it then.
func (r *Reconciler) register(ctx context.Context) {
	tick := time.NewTicker(nodeInterval)
	defer tick.Stop()
	ok := true
	for {
		err := r.putNode(ctx)
		if err != nil && ok && ctx.Err() == nil {
			r.log.Log(ctx, outageLevel(err), "this node's record is not refreshed; trying again", "error", err)
		}
		ok = err == nil
		select {
		case <-ctx.Done():
			r.deregister()
			return
		case <-r.registerNow:
		case <-tick.C:
		}
	}
}

// outageLevel is that of an error of the store: the loop tells an outage once.
func outageLevel(err error) slog.Level {
	if errors.Is(err, store.ErrUnreachable) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

func (r *Reconciler) putNode(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return r.cfg.Store.PutNode(ctx, r.self(), nodeTTL)
}

func (r *Reconciler) self() api.Node {
	n := r.cfg.Self
	n.Alive, n.LastSeen = true, r.cfg.Now()
	n.UsedBytes, n.QuotaBytes = r.cfg.Budget.Used(), r.cfg.Budget.Limit()
	return n
}

func (r *Reconciler) deregister() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := r.cfg.Store.RemoveNode(ctx, r.cfg.Self.Name); err != nil {
		r.log.Info("this node's record is left to expire", "error", err)
	}
}
