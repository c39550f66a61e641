package daemon

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
)

// collector frees what any part of the agent holds without need.
type collector struct{ d *daemon }

// Collect deletes it, or lists it if dry is true. Nothing goes while the store is
// unreachable.
func (c collector) Collect(ctx context.Context, dry bool) (api.Collection, error) {
	out := api.Collection{Node: c.d.self.Name, DryRun: dry, QuotaBytes: c.d.budget.Limit()}
	items, err := c.d.reconcile.Collect(ctx, dry)
	if err != nil {
		return out, err
	}
	copies, err := c.d.publisher.Collect(ctx, dry)
	var captures []api.CollectedItem
	if c.d.worker != nil && err == nil {
		captures, err = c.d.worker.Collect(ctx, dry)
	}
	out.Items = slices.Concat(items, copies, captures)
	slices.SortFunc(out.Items, func(a, b api.CollectedItem) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
	for _, item := range out.Items {
		out.FreedBytes += item.Bytes
		if !dry {
			c.d.log.Info("collected", "path", item.Path, "bytes", item.Bytes, "reason", item.Reason)
		}
	}
	out.UsedBytes = c.d.budget.Used()
	if err != nil {
		return out, errors.Join(err, ctx.Err())
	}
	return out, nil
}
