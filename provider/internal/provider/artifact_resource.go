package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/client"
)

const (
	publishTimeout  = 2 * time.Hour
	withdrawTimeout = 5 * time.Minute
)

type artifactResource struct{ conn *connection }

var (
	_ resource.ResourceWithConfigure   = (*artifactResource)(nil)
	_ resource.ResourceWithImportState = (*artifactResource)(nil)
	_ resource.ResourceWithModifyPlan  = (*artifactResource)(nil)
)

func newArtifactResource() resource.Resource { return &artifactResource{} }

// Metadata names the resource.
func (r *artifactResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_artifact"
}

// Configure takes the provider's connection.
func (r *artifactResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.conn = connectionOf(req.ProviderData, &resp.Diagnostics)
}

// Create publishes the source.
func (r *artifactResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan artifactModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	timeout, diags := plan.Timeouts.Create(ctx, publishTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if r.publish(ctx, &plan, &resp.Diagnostics) {
		resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
	}
}

// Update publishes the source again if something of it changed, and withdraws
// what nothing uses any more.
func (r *artifactResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state artifactModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, diags := plan.Timeouts.Update(ctx, publishTimeout)
	resp.Diagnostics.Append(diags...)
	old, diags := earlier(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if plan.Digest.IsUnknown() && !r.publish(ctx, &plan, &resp.Diagnostics) {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
	old = old.with(state.Digest.ValueString()).without(plan.Digest.ValueString())
	old = r.withdrawUnused(ctx, old)
	resp.Diagnostics.Append(old.save(ctx, resp.Private)...)
}

// publish completes the plan with what it leads to.
func (r *artifactResource) publish(ctx context.Context, plan *artifactModel, diags *diag.Diagnostics) (ok bool) {
	source := plan.Source.ValueString()
	agent, err := r.conn.agent()
	if err != nil {
		addError(diags, source, err, nowhere)
		return false
	}
	if plan.SourceFingerprint.IsUnknown() {
		f, err := fingerprint(ctx, source)
		if err != nil {
			diags.AddAttributeError(path.Root("source"), source, err.Error())
			return false
		}
		plan.SourceFingerprint = types.StringValue(f)
	}
	a, err := agent.PublishPath(ctx, source, plan.Name.ValueString(), plan.PieceSize.ValueInt64(), logPublishing(ctx, source))
	if err != nil {
		addError(diags, source, err, artifactField(source))
		return false
	}
	diags.Append(plan.take(ctx, a)...)
	return !diags.HasError()
}

// artifactField blames the source for what is not another attribute's fault.
func artifactField(source string) locate {
	return func(subject string) (path.Path, bool) {
		if subject == "name" || subject == "piece_size" {
			return path.Root(subject), true
		}
		return path.Root("source"), within(subject, source)
	}
}

// Read refreshes the state. Only the fleet's word that there is no such artifact
// removes it.
func (r *artifactResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state artifactModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	digest := state.Digest.ValueString()
	a, err := r.read(ctx, digest)
	switch {
	case client.IsNotFound(err):
		resp.State.RemoveResource(ctx)
	case err != nil && r.conn.keepState(err):
		addWarning(&resp.Diagnostics, digest, err)
	case err != nil:
		addError(&resp.Diagnostics, digest, err, nowhere)
	default:
		resp.Diagnostics.Append(state.take(ctx, a)...)
		resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
	}
}

func (r *artifactResource) read(ctx context.Context, digest string) (api.Artifact, error) {
	agent, err := r.conn.agent()
	if err != nil {
		return api.Artifact{}, err
	}
	return agent.Artifact(ctx, digest)
}

// Delete withdraws the artifact, and those that it took the place of. The
// source stays where it is.
func (r *artifactResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state artifactModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	timeout, diags := state.Timeouts.Delete(ctx, withdrawTimeout)
	resp.Diagnostics.Append(diags...)
	old, diags := earlier(ctx, req.Private)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	digest := state.Digest.ValueString()
	agent, err := r.conn.agent()
	if err == nil {
		err = agent.DeleteArtifact(ctx, digest)
	}
	if err != nil && !client.IsNotFound(err) {
		addError(&resp.Diagnostics, digest, err, nowhere)
		return
	}
	r.withdrawUnused(ctx, old)
}

// ImportState takes an artifact by its digest.
func (r *artifactResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughID(ctx, path.Root("digest"), req, resp)
}
