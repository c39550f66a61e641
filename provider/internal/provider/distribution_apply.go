package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

// create puts the distribution, unless another one has its name. One that asks
// for the same is taken over: an apply that did not get to write its state made it.
func (r *distributionResource) create(ctx context.Context, want api.Distribution, wait bool) (outcome, error) {
	agent, err := r.conn.agent()
	if err != nil {
		return outcome{}, err
	}
	now, err := agent.Distribution(ctx, want.Name)
	switch {
	case client.IsNotFound(err):
	case err != nil:
		return outcome{}, err
	case now.State != api.StateAbsent && !now.SameTask(want):
		return outcome{}, &api.Error{Code: api.CodeConflict, Subject: "name",
			Message: fmt.Sprintf("the fleet has a distribution %s already, of %s at %s", now.Name, now.Digest, now.Path),
			Fix:     "choose another name, or take it over with: terraform import ADDRESS " + now.Name}
	}
	return r.put(ctx, agent, want, wait, false)
}

func (r *distributionResource) update(ctx context.Context, want api.Distribution, wait, verify bool) (outcome, error) {
	agent, err := r.conn.agent()
	if err != nil {
		return outcome{}, err
	}
	return r.put(ctx, agent, want, wait, verify)
}

// steer states by which rules bytes move. Nodes are not waited for: there may be
// nothing that they move.
func (r *distributionResource) steer(ctx context.Context, want api.Distribution) error {
	agent, err := r.conn.agent()
	if err != nil {
		return err
	}
	_, err = agent.PutDistribution(ctx, want)
	return err
}

// put states what is desired, and waits. The error says that it is not stated;
// what comes after that is part of the outcome.
func (r *distributionResource) put(ctx context.Context, agent *client.Client, want api.Distribution, wait, verify bool) (outcome, error) {
	want, err := agent.PutDistribution(ctx, want)
	if err == nil && verify {
		want, err = agent.Verify(ctx, want.Name)
	}
	if err != nil {
		return outcome{}, err
	}
	o := outcome{want: want}
	if !wait {
		o.status, o.err = agent.Status(ctx, want.Name)
		return o, nil
	}
	w := waiter{want: want}
	o.status, o.stuck, o.err = w.await(ctx, agent)
	if ctx.Err() != nil {
		o.status = w.look(ctx, agent, o.status)
	}
	return o, nil
}

// remove ends a distribution. The error is not_found when it is gone.
func (r *distributionResource) remove(ctx context.Context, name string, content, wait bool) error {
	agent, err := r.conn.agent()
	if err != nil {
		return err
	}
	if err := agent.DeleteDistribution(ctx, name, content); err != nil || !content || !wait {
		return err
	}
	var left api.Status
	err = agent.Watch(ctx, name, true, func(st api.Status) error { left = st; return nil })
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return removing(left, err)
	}
	return err
}

// removing says which nodes have yet to remove the content.
func removing(st api.Status, cause error) error {
	late := ""
	for _, n := range st.Nodes {
		if n.Phase != api.PhaseRemoved {
			late += fmt.Sprintf("; %s: %s", n.Node, reason(n))
		}
	}
	return &api.Error{Code: api.CodeCanceled, Subject: st.Distribution.Name,
		Message: fmt.Sprintf("%d of %d nodes have removed the content%s (%v)", st.Summary.Converged, st.Summary.Targets, late, cause),
		Fix:     "the agents go on; destroy again to wait for them, or allow more time with timeouts.delete"}
}
