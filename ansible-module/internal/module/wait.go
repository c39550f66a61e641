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
// is stuck: agents try again, and often succeed.
const settleTime = 10 * time.Second

// await waits until every target has what is wanted, or is rid of it.
func (t *task) await(ctx context.Context) error {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	statuses, ended := t.client.Statuses(inner, t.want.Name)
	var over <-chan time.Time // when stuck targets are given up
	for {
		select {
		case s := <-statuses:
			t.result.take(s)
			switch {
			case s.Summary.Done && !t.absent: // a removal ends with its record
				return nil
			case !settled(s):
				over = nil
			case over == nil:
				over = time.After(settleTime)
			}
		case <-over:
			return t.incomplete()
		case err := <-ended:
			switch {
			case t.absent && client.IsNotFound(err):
				return nil
			case errors.Is(err, context.DeadlineExceeded):
				return t.incomplete()
			}
			return err
		}
	}
}

// goal is the phase of a target that is done.
func (t *task) goal() api.Phase {
	if t.absent {
		return api.PhaseRemoved
	}
	return api.PhaseInstalled
}

// settled reports whether targets are stuck and all others are done. Who is down
// holds up a removal only: the fleet itself says when that has taken long enough.
func settled(s api.Status) bool {
	stuck := 0
	for _, n := range s.Nodes {
		switch {
		case s.Distribution.Converged(n):
		case n.Unreachable && s.Distribution.State != api.StateAbsent, n.Phase == api.PhaseFailed && s.Distribution.Current(n):
			stuck++
		default:
			return false
		}
	}
	return stuck > 0
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
