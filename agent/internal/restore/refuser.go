package restore

import (
	"context"
	"errors"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/store"
)

// Refuser answers for a node that cannot do its parts in runs, so that these end at
// once, and with the reason.
type Refuser struct {
	cfg Config
	why *api.Error
}

// NewRefuser returns one that refuses for err. Of c it needs Self, Store, Logger
// and Now.
func NewRefuser(c Config, err error) *Refuser {
	c = c.withDefaults()
	why := asAPIError(err)
	return &Refuser{c, &api.Error{Code: why.Code, Subject: c.Self, Message: "this node does nothing with databases: " + why.Error(),
		Fix: "correct that and restart its agent, or leave the node out of the run"}}
}

// Run refuses until ctx ends.
func (r *Refuser) Run(ctx context.Context) {
	watcher := r.cfg.Store.Watch(ctx)
	wait := time.NewTimer(resyncInterval)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-watcher.Events():
			if !ok {
				return
			}
		case <-wait.C:
		}
		wait.Reset(resyncInterval)
		if err := r.refuseAll(ctx); err != nil && ctx.Err() == nil {
			r.cfg.Logger.Debug("runs are not refused; trying again", "error", err)
			wait.Reset(retryInterval)
		}
	}
}

func (r *Refuser) refuseAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	runs, err := r.cfg.Store.Runs(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if _, has := partOf(run, r.cfg.Self); has && !run.Phase.Finished() {
			err = errors.Join(err, r.refuse(ctx, run.ID))
		}
	}
	return err
}

// refuse fails a part that has not begun. One that has begun keeps its state, which
// only its journal could tell, and says why it does not go on.
func (r *Refuser) refuse(ctx context.Context, id string) error {
	run, err := r.cfg.Store.Run(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	mine, has := partOf(run, r.cfg.Self)
	report := mine.Report
	if !has || report.Error != nil || report.State.Final() {
		return nil
	}
	if report.State == "" || report.State == api.PartProbed {
		report.State, report.Done = api.PartFailed, true
	}
	report.Node, report.Error, report.Doing, report.Progress, report.UpdatedAt = r.cfg.Self, r.why, "", nil, r.cfg.Now().UTC()
	return r.cfg.Store.PutPartReport(ctx, id, report)
}
