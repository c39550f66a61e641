package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// settleTime is how long waiting goes on when every node either holds the
// content or is stuck: agents try again by themselves, and often succeed.
const settleTime = 10 * time.Second

// holds reports whether the node has what is desired, and has done the
// verification that is wanted.
func holds(want api.Distribution, n api.NodeStatus) bool {
	return want.Converged(n) && n.Verified >= want.VerifyGeneration
}

// enough reports whether that many percent of the nodes hold the content, by the
// count of the control interface. Without nodes they do.
func enough(st api.Status, minPercent int64) bool {
	return int64(st.Summary.Converged)*100 >= minPercent*int64(st.Summary.Targets)
}

// waiter waits for the nodes of one distribution. It is touched only by await.
type waiter struct {
	want api.Distribution // as the fleet has it since the apply
	// before is when nodes reported the failures that the first status showed:
	// they may be of an earlier time, and mended since.
	before map[string]time.Time
	log    distributionLog
}

// await follows the distribution until every node holds what want says, until
// none of the others is at work any more (stuck), or until ctx ends or the watch
// fails (err). The status is the last one, zero if there is none.
func (w *waiter) await(ctx context.Context, agent *client.Client) (last api.Status, stuck bool, err error) {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	statuses, ended := agent.Statuses(inner, w.want.Name)
	var over <-chan time.Time // when stuck nodes are given up
	for {
		select {
		case st := <-statuses:
			if w.stale(st) {
				continue
			}
			if err := w.superseded(st); err != nil {
				return last, false, err
			}
			last = st
			w.log.show(ctx, st)
			holding, waiting := w.count(st)
			switch {
			case holding == len(st.Nodes):
				return last, false, nil
			case waiting > 0:
				over = nil
			case over == nil:
				over = time.After(settleTime)
			}
		case <-over:
			return last, true, nil
		case err := <-ended:
			return last, false, err
		}
	}
}

// lookTimeout bounds a last look after a timeout or an interruption.
const lookTimeout = 5 * time.Second

// look returns how far the nodes are although ctx has ended, or last if that is
// not to be had: Terraform waits for what goes into the state.
func (w *waiter) look(ctx context.Context, agent *client.Client, last api.Status) api.Status {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	st, err := agent.Status(ctx, w.want.Name)
	if err != nil || w.stale(st) || w.superseded(st) != nil {
		return last
	}
	return st
}

// stale reports whether the status is older than what is waited for.
func (w *waiter) stale(st api.Status) bool {
	d := st.Distribution
	return d.Generation < w.want.Generation || d.VerifyGeneration < w.want.VerifyGeneration
}

// superseded returns an error if somebody else has changed what is desired.
func (w *waiter) superseded(st api.Status) error {
	if st.Distribution.Generation == w.want.Generation {
		return nil
	}
	return &api.Error{Code: api.CodeConflict, Subject: w.want.Name, Message: "somebody else changed the distribution meanwhile",
		Fix: "see 'rackswarm status " + w.want.Name + "', and apply again"}
}

// count tells how many nodes hold the content, and how many are at work. Those
// that have staged it wait for the others, in vain if one of them is stuck.
func (w *waiter) count(st api.Status) (holding, waiting int) {
	staged, stuck := 0, 0
	first := w.before == nil
	if first {
		w.before = map[string]time.Time{}
	}
	for _, n := range st.Nodes {
		failed := n.Phase == api.PhaseFailed
		if first && failed {
			w.before[n.Node] = n.UpdatedAt
		}
		switch {
		case holds(w.want, n):
			holding++
		case n.Unreachable, stopped(st, n), st.Starves(n), failed && !n.UpdatedAt.Equal(w.before[n.Node]):
			stuck++
		case n.Phase == api.PhaseStaged:
			staged++
		default:
			waiting++
		}
	}
	if stuck == 0 {
		waiting += staged
	}
	return holding, waiting
}

// stopped reports whether an operator has ended what the node would fetch. A node
// that is paused is waited for.
func stopped(st api.Status, n api.NodeStatus) bool {
	h := heldBy(st, n)
	return h != nil && h.Kind == api.HoldStop && n.Phase != api.PhaseStaged
}

// heldBy is the hold under which a node is that does not hold the content, nil for
// none.
func heldBy(st api.Status, n api.NodeStatus) *api.Hold {
	if n.Held != nil {
		return n.Held
	}
	return api.HeldBy(st.Holds, st.Distribution, n.Node)
}

// reason says why a node does not hold the content.
func reason(n api.NodeStatus) string {
	switch {
	case n.Unreachable:
		return "the node is down"
	case n.Held != nil:
		return n.Held.String() + "; " + n.Held.Reason().Fix
	case n.Error != nil:
		return n.Error.Error()
	case n.Phase == api.PhaseStaged:
		return "has staged it, and waits for the others"
	case n.Waiting != "":
		return fmt.Sprintf("still %s, waiting: %s", n.Phase, n.Waiting)
	case n.BytesTotal > 0:
		return fmt.Sprintf("still %s, %d of %d bytes", n.Phase, n.BytesDone, n.BytesTotal)
	}
	return "still " + string(n.Phase)
}
