package reconcile

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rackswarm/rackswarm/core/api"
)

// Holds reports whether a distribution has something at a path on this node, above
// or below it, is about to put it there, or has a task under way about it. What is
// not held nobody repairs, replaces or removes, until a distribution comes that
// wants the path. It may be called from any goroutine and waits for Run, as long
// as ctx lasts.
func (r *Reconciler) Holds(ctx context.Context, p string) (bool, error) {
	reply := make(chan bool, 1)
	r.mail.put(askHolds{path.Clean(p), reply})
	select {
	case held := <-reply:
		return held, nil
	case <-r.done:
		return false, fmt.Errorf("ask who holds %s: %w", p, ErrStopped)
	case <-ctx.Done():
		return false, fmt.Errorf("ask who holds %s: %w", p, ctx.Err())
	}
}

// askHolds is the question of Holds, which Run answers.
type askHolds struct {
	path  string
	reply chan<- bool
}

func (e askHolds) apply(r *Reconciler) {
	touches := func(p string) bool { return overlap(e.path, path.Clean(p)) }
	for _, x := range r.dists {
		if slices.ContainsFunc(x.paths(), touches) {
			e.reply <- true
			return
		}
	}
	e.reply <- slices.ContainsFunc(r.desired.Distributions, func(d api.Distribution) bool {
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

// overlap reports whether two clean paths are the same or one contains the other.
func overlap(a, b string) bool {
	return a == b || below(a, b) || below(b, a)
}

func below(p, dir string) bool {
	return strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}
