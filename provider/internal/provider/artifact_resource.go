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
	var plan, config artifactModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	timeout, diags := plan.Timeouts.Create(ctx, publishTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if r.publish(ctx, &plan, config, &resp.Diagnostics) {
		resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
	}
}

// Update publishes the source again if something of it changed, and withdraws
// what nothing uses any more.
func (r *artifactResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state, config artifactModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
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
	if plan.Digest.IsUnknown() && !r.publish(ctx, &plan, config, &resp.Diagnostics) {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
	old = old.with(state.Digest.ValueString()).without(plan.Digest.ValueString())
	old = r.withdrawUnused(ctx, old)
	resp.Diagnostics.Append(old.save(ctx, resp.Private)...)
}

// publish completes the plan with what it leads to. The headers are in the
// configuration alone.
func (r *artifactResource) publish(ctx context.Context, plan *artifactModel, config artifactModel, diags *diag.Diagnostics) (ok bool) {
	source := plan.Source.ValueString()
	shown := api.ShowSource(source)
	agent, err := r.conn.agent()
	if err != nil {
		addError(diags, shown, err, nowhere)
		return false
	}
	remote := api.IsRemote(source)
	if plan.SourceFingerprint.IsUnknown() && !remote {
		f, err := fingerprint(ctx, source)
		if err != nil {
			diags.AddAttributeError(path.Root("source"), source, err.Error())
			return false
		}
		plan.SourceFingerprint = types.StringValue(f)
	}
	headers, err := headersOf(config.SourceHeaders)
	if err != nil {
		diags.AddAttributeError(path.Root("source_headers_wo"), shown, err.Error())
		return false
	}
	a, err := agent.PublishSource(ctx, api.PublishRequest{Source: source, Name: config.Name.ValueString(), PieceSize: plan.PieceSize.ValueInt64(),
		Checksum: config.Checksum.ValueString(), Headers: headers}, logPublishing(ctx, shown))
	if err != nil {
		addError(diags, shown, err, artifactField(shown))
		return false
	}
	if plan.SourceFingerprint.IsUnknown() {
		plan.SourceFingerprint = types.StringValue(remoteVersion(a.SourceVersion))
	}
	diags.Append(plan.take(ctx, a)...)
	return !diags.HasError()
}

// artifactField blames the source for what is not another attribute's fault.
func artifactField(source string) locate {
	return func(subject string) (path.Path, bool) {
		switch subject {
		case "name", "piece_size", "checksum":
			return path.Root(subject), true
		case "headers":
			return path.Root("source_headers_wo"), true
		}
		return path.Root("source"), subject == "source" || subject == source || within(subject, source)
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
