package runner

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/rackswarm/rackswarm/core/restore"
)

// tidy forgets old runs now and then until ctx ends.
func (r *Runner) tidy(ctx context.Context) {
	for wait(ctx, r.pace.tidy+rand.N(max(1, r.pace.tidy)), nil) {
		if err := r.forgetOld(ctx); err != nil && ctx.Err() == nil {
			r.cfg.Logger.Log(ctx, outageLevel(err), "old runs are not forgotten", "error", err)
		}
	}
}

// forgetOld deletes the records of runs that are outdated, of databases that this
// node has.
func (r *Runner) forgetOld(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	runs, err := r.cfg.Store.Runs(ctx)
	if err != nil {
		return err
	}
	old := restore.Outdated(runs, r.now())
	for _, run := range runs {
		if !slices.Contains(old, run.ID) || !slices.Contains(r.cfg.Databases, run.Request.Database) {
			continue
		}
		if err := unlessGone(r.cfg.Store.DeleteRun(ctx, run.ID)); err != nil {
			return err
		}
		r.cfg.Logger.Info("the record of an old run is deleted", "run", run.ID, "finished", run.FinishedAt)
	}
	return nil
}
