package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/paths"
)

// Holds reports whether a distribution has something at a path on this node, above
// or below it, is about to put it there, or has a task under way about it. What is
// not held nobody repairs, replaces or removes, until a distribution comes that
// wants the path. It may be called from any goroutine and waits for Run, as long
// as ctx lasts.
func (r *Reconciler) Holds(ctx context.Context, p string) (bool, error) {
	held, err := ask(ctx, r, func() (bool, error) { return r.touches(p), nil })
	if err != nil {
		return false, fmt.Errorf("ask who holds %s: %w", p, err)
	}
	return held, nil
}

// touches reports whether a distribution is about a path here.
func (r *Reconciler) touches(at string) bool {
	touches := func(p string) bool { return paths.Overlap(at, p) }
	for _, x := range r.dists {
		if slices.ContainsFunc(x.paths(), touches) {
			return true
		}
	}
	return slices.ContainsFunc(r.desired.Distributions, func(d api.Distribution) bool {
		return d.State != api.StateAbsent && d.Selector.Matches(r.cfg.Self) && touches(d.Path)
	})
}

// paths returns where content of the distribution stands, may stand, or is being
// worked on.
func (x *dist) paths() []string {
	all := x.rec.paths()
	if x.rec.Leftover != nil {
		all = append(all, x.rec.Leftover.Path)
	}
	if w := x.worker; w != nil {
		all = append(all, w.wanted.Path)
		all = append(all, w.rec.paths()...)
	}
	return slices.DeleteFunc(all, func(p string) bool { return p == "" })
}
