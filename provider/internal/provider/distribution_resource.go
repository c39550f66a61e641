package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

const (
	distributeTimeout = 2 * time.Hour
	removeTimeout     = 30 * time.Minute
)

type distributionResource struct{ conn *connection }

var (
	_ resource.ResourceWithConfigure      = (*distributionResource)(nil)
	_ resource.ResourceWithImportState    = (*distributionResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*distributionResource)(nil)
	_ resource.ResourceWithValidateConfig = (*distributionResource)(nil)
)

func newDistributionResource() resource.Resource { return &distributionResource{} }

// Metadata names the resource.
func (r *distributionResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_distribution"
}

// Configure takes the provider's connection.
func (r *distributionResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.conn = connectionOf(req.ProviderData, &resp.Diagnostics)
}

// Create states what is desired and waits for the nodes.
func (r *distributionResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan distributionModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	timeout, diags := plan.Timeouts.Create(ctx, distributeTimeout)
	resp.Diagnostics.Append(diags...)
	want, diags := plan.desired(ctx)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	o, err := r.create(limited, want, plan.Wait.ValueBool())
	if err != nil {
		addError(&resp.Diagnostics, want.Name, err, field)
		return
	}
	r.conclude(ctx, plan, o, &resp.State, &resp.Diagnostics, true)
}

// Update changes what is desired, and waits for the nodes. An error keeps what
// was changed in the state; Terraform then plans to go on in place.
func (r *distributionResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state distributionModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, diags := plan.Timeouts.Update(ctx, distributeTimeout)
	resp.Diagnostics.Append(diags...)
	want, diags := plan.desired(ctx)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	if !plan.Converged.IsUnknown() { // nothing is asked of the nodes
		resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
		return
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	o, err := r.update(limited, want, plan.Wait.ValueBool(), !plan.Triggers.Equal(state.Triggers))
	if err != nil {
		addError(&resp.Diagnostics, want.Name, err, field)
		return
	}
	r.conclude(ctx, plan, o, &resp.State, &resp.Diagnostics, false)
}

// conclude writes the state and says how it went.
func (r *distributionResource) conclude(ctx context.Context, plan distributionModel, o outcome, state *tfsdk.State, diags *diag.Diagnostics, creating bool) {
	diags.Append(plan.takeState(ctx, o.status)...)
	diags.Append(plan.takeMeasures(ctx, o.status.Summary)...)
	if o.status.Nodes == nil {
		plan.Converged = types.BoolValue(false)
	}
	diags.Append(state.Set(ctx, &plan)...)
	if plan.Wait.ValueBool() {
		o.report(diags, plan, creating)
	}
}

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
	case now.State != api.StateAbsent && !sameTask(now, want):
		return outcome{}, &api.Error{Code: api.CodeConflict, Subject: "name",
			Message: fmt.Sprintf("the fleet has a distribution %s already, of %s at %s", now.Name, now.Digest, now.Path),
			Fix:     "choose another name, or take it over with: terraform import ADDRESS " + now.Name}
	}
	return r.put(ctx, agent, want, wait, false)
}

// sameTask reports whether a and b ask the same of the nodes.
func sameTask(a, b api.Distribution) bool {
	return a.Digest == b.Digest && a.Path == b.Path && a.Overwrite == b.Overwrite &&
		a.Owner == b.Owner && a.Group == b.Group && a.Mode == b.Mode && a.Selector.Equal(b.Selector)
}

func (r *distributionResource) update(ctx context.Context, want api.Distribution, wait, verify bool) (outcome, error) {
	agent, err := r.conn.agent()
	if err != nil {
		return outcome{}, err
	}
	return r.put(ctx, agent, want, wait, verify)
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
	if wait {
		w := waiter{want: want}
		o.status, o.stuck, o.err = w.await(ctx, agent)
	} else {
		o.status, o.err = agent.Status(ctx, want.Name)
	}
	return o, nil
}

// Read refreshes the state. Only the fleet's word that there is no such
// distribution, or that it is on its way out, removes it.
func (r *distributionResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state distributionModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	name := state.Name.ValueString()
	st, err := r.status(ctx, name)
	switch {
	case client.IsNotFound(err), err == nil && st.Distribution.State == api.StateAbsent:
		resp.State.RemoveResource(ctx)
		return
	case err != nil && r.conn.keepState(err):
		addWarning(&resp.Diagnostics, name, err)
		return
	case err != nil:
		addError(&resp.Diagnostics, name, err, nowhere)
		return
	}
	resp.Diagnostics.Append(state.takeDesired(ctx, st.Distribution)...)
	resp.Diagnostics.Append(state.takeState(ctx, st)...)
	if state.Seconds.IsNull() { // imported
		resp.Diagnostics.Append(state.takeMeasures(ctx, st.Summary)...)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
}

func (r *distributionResource) status(ctx context.Context, name string) (api.Status, error) {
	agent, err := r.conn.agent()
	if err != nil {
		return api.Status{}, err
	}
	return agent.Status(ctx, name)
}

// Delete ends the distribution, and has its content removed if so asked.
func (r *distributionResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state distributionModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, diags := state.Timeouts.Delete(ctx, removeTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	name := state.Name.ValueString()
	err := r.remove(ctx, name, state.OnDestroy.ValueString() == destroyRemove, state.Wait.ValueBool())
	if err != nil && !client.IsNotFound(err) {
		addError(&resp.Diagnostics, name, err, nowhere)
	}
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

// ImportState takes a distribution by its name, with the defaults of what only
// Terraform knows.
func (r *distributionResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughID(ctx, path.Root("name"), req, resp)
	for name, value := range map[string]any{
		"wait": true, "min_success_percent": int64(defaultMinSuccess), "on_partial": partialError, "on_destroy": destroyRetain,
	} {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), value)...)
	}
}
