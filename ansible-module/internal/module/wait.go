package module

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
	"github.com/rackswarm/rackswarm/core/unit"
)

// settleTime is how long waiting goes on when every target either is done or
// is stuck: agents try again, and often succeed.
const settleTime = 10 * time.Second

// await waits until a node has what is wanted, or is rid of it: all targets for
// "". If the step's patience ends before, it says how far that is.
func (t *artifactTask) await(ctx context.Context, node string) error {
	patience, last := t.call.budget(t.timeout)
	inner, stop := context.WithTimeout(ctx, patience)
	defer stop()
	statuses, ended := t.client.Statuses(inner, t.want.Name)
	w := &wait{node: node, digest: t.want.Digest, stuckFor: seconds(t.call.Stuck), began: time.Now()}
	var over <-chan time.Time // when stuck targets are given up
	for {
		select {
		case s := <-statuses:
			w.seen = part(s, node)
			t.report(w.seen)
			switch {
			case s.Distribution.Digest != w.digest && !t.absent:
				return overtaken(s.Distribution)
			case w.complete():
				t.done()
				return nil
			case !settled(w.seen):
				over, w.stuckFor, w.stuckSince = nil, 0, time.Time{}
			case over == nil:
				w.stuckSince = time.Now()
				over = time.After(settleTime - w.stuckFor)
			}
		case <-over:
			return w.incomplete()
		case err := <-ended:
			switch {
			case t.absent && client.IsNotFound(err):
				t.done()
				return nil
			case !errors.Is(err, context.DeadlineExceeded):
				return err
			case last || ctx.Err() != nil:
				return w.incomplete()
			}
			t.result.Answer = &answer{Progress: progress(w.seen), Stuck: w.stuck().Seconds()}
			return nil
		}
	}
}

// wait is what is known while a task waits.
type wait struct {
	node, digest string
	seen         api.Status // of the nodes that count
	began        time.Time
	stuckFor     time.Duration // before this step
	stuckSince   time.Time     // zero if they are not stuck
}

func (w *wait) stuck() time.Duration {
	if w.stuckSince.IsZero() {
		return 0
	}
	return w.stuckFor + time.Since(w.stuckSince)
}

// complete reports whether the nodes that count are done. A removal of all ends
// with its record, not before.
func (w *wait) complete() bool {
	if w.node == "" {
		return w.seen.Summary.Done && w.seen.Distribution.State != api.StateAbsent
	}
	for _, n := range w.seen.Nodes {
		if !w.seen.Distribution.Converged(n) || n.Unreachable {
			return false
		}
	}
	return len(w.seen.Nodes) > 0
}

// part is a status with the nodes that count alone: one, or all for "".
func part(s api.Status, node string) api.Status {
	if node == "" {
		return s
	}
	var mine []api.NodeStatus
	for _, n := range s.Nodes {
		if n.Node == node {
			mine = append(mine, n)
		}
	}
	s.Nodes = mine
	return s
}

func (t *artifactTask) report(s api.Status) {
	if s.Artifact != nil {
		t.result.Size = s.Artifact.SizeBytes
	}
	if t.result.Node == "" {
		t.result.takeAll(s)
	} else if len(s.Nodes) == 1 {
		t.result.take(s.Nodes[0])
	}
}

// settled reports whether targets are stuck and all others are done. Who is down
// holds up a removal only: the fleet itself says when that has taken long enough.
func settled(s api.Status) bool {
	stuck := 0
	for _, n := range s.Nodes {
		down := n.Unreachable && s.Distribution.State != api.StateAbsent
		switch {
		case down, n.Phase == api.PhaseFailed && s.Distribution.Current(n):
			stuck++
		case s.Distribution.Converged(n):
		default:
			return false
		}
	}
	return stuck > 0
}

// overtaken says that somebody else wants something else meanwhile.
func overtaken(d api.Distribution) error {
	return &api.Error{Code: api.CodeConflict, Subject: d.Name, Message: "was changed by somebody else meanwhile, to " + d.Digest,
		Fix: "see who else changes this distribution, and run the task again"}
}

// progress says in a few words how far the nodes are that count.
func progress(s api.Status) string {
	var done, total, rate int64
	var what []string
	for _, n := range s.Nodes {
		done, total, rate = done+n.BytesDone, total+n.BytesTotal, rate+n.Rate
		what = []string{string(n.Phase)}
		if n.Waiting != "" {
			what = append(what, n.Waiting)
		}
	}
	switch {
	case len(s.Nodes) > 1:
		what = []string{fmt.Sprintf("%d of %d nodes done", s.Summary.Converged, s.Summary.Targets)}
	case len(s.Nodes) == 1 && (s.Nodes[0].Phase == api.PhaseFetching || s.Nodes[0].Phase == api.PhaseReusing) && s.Nodes[0].Waiting == "":
		what = nil // the numbers say it
	}
	if total > 0 && s.Distribution.State != api.StateAbsent {
		what = append([]string{fmt.Sprintf("%d%% of %s, %s", 100*done/total, unit.Bytes(total), unit.Rate(rate))}, what...)
	}
	if len(what) == 0 {
		return "waiting"
	}
	return strings.Join(what, ", ")
}

// incomplete says which nodes are not done, and why.
func (w *wait) incomplete() error {
	var late []string
	for _, n := range w.seen.Nodes {
		switch {
		case n.Error != nil && n.Phase == api.PhaseFailed:
			late = append(late, fmt.Sprintf("%s: %s", n.Node, n.Error))
		case n.Unreachable:
			late = append(late, n.Node+": offline")
		case !w.seen.Distribution.Converged(n):
			late = append(late, fmt.Sprintf("%s: still %s", n.Node, n.Phase))
		}
	}
	name := w.seen.Distribution.Name
	if len(w.seen.Nodes) == 0 {
		return &api.Error{Code: api.CodeCanceled, Subject: w.node, Message: "the fleet has not told anything of it in time",
			Fix: "see 'rackswarm status', and run the task again"}
	}
	return &api.Error{Code: api.CodeCanceled, Subject: name,
		Message: fmt.Sprintf("not complete on %d of %d nodes: %s", len(late), len(w.seen.Nodes), strings.Join(late, "; ")),
		Fix:     "mend these nodes and run the task again, or allow more time; what was done is kept"}
}
