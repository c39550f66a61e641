package module

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// settleTime is how long waiting goes on when every target either is done or
// has failed: agents try again, and often succeed.
const settleTime = 10 * time.Second

// errSettled ends a watch when no target is at work any more.
var errSettled = errors.New("settled")

// await waits until every target has what is wanted, or is rid of it.
func (t *task) await(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	grace := time.AfterFunc(time.Hour, func() { cancel(errSettled) })
	grace.Stop()
	defer grace.Stop()
	was := false
	err := t.client.Watch(ctx, t.want.Name, !t.absent, func(s api.Status) error {
		t.result.take(s)
		switch now := settled(s, t.goal()); {
		case now && !was:
			grace.Reset(settleTime)
			was = true
		case !now:
			grace.Stop()
			was = false
		}
		return nil
	})
	switch {
	case err == nil, t.absent && client.IsNotFound(err):
		return nil
	case errors.Is(context.Cause(ctx), errSettled), errors.Is(err, context.DeadlineExceeded):
		return t.incomplete()
	}
	return err
}

// goal is the phase of a target that is done.
func (t *task) goal() api.Phase {
	if t.absent {
		return api.PhaseRemoved
	}
	return api.PhaseInstalled
}

// settled reports whether there are failures and all other targets are done.
func settled(s api.Status, goal api.Phase) bool {
	failed := 0
	for _, n := range s.Nodes {
		switch {
		case n.Generation < s.Distribution.Generation:
			return false
		case n.Phase == api.PhaseFailed:
			failed++
		case n.Phase != goal:
			return false
		}
	}
	return failed > 0
}

// incomplete says which nodes are not done, and why.
func (t *task) incomplete() error {
	var late []string
	for _, n := range t.result.Nodes {
		switch {
		case n.Error != nil:
			late = append(late, fmt.Sprintf("%s: %s", n.Node, n.Error))
		case n.Offline:
			late = append(late, n.Node+": offline")
		case n.Phase != t.goal():
			late = append(late, fmt.Sprintf("%s: still %s", n.Node, n.Phase))
		}
	}
	return &api.Error{Code: api.CodeCanceled, Subject: t.want.Name,
		Message: fmt.Sprintf("not complete on %d of %d nodes: %s", len(late), len(t.result.Nodes), strings.Join(late, "; ")),
		Fix:     "mend these nodes and run the task again, or allow more time; what was done is kept"}
}
