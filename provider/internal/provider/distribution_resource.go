package provider

import (
	"context"
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
	if !plan.Converged.IsUnknown() { // no other content is asked of the nodes
		if !plan.sameTraffic(state) {
			if err := r.steer(ctx, want); err != nil {
				addError(&resp.Diagnostics, want.Name, err, field)
				return
			}
		}
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
