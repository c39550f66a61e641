package provider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// ModifyPlan looks whether the source has changed, and plans to publish again
// only then.
func (r *artifactResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	var plan, config artifactModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	var state *artifactModel
	if !req.State.Raw.IsNull() {
		state = &artifactModel{}
		resp.Diagnostics.Append(req.State.Get(ctx, state)...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	if config.Name.IsNull() {
		plan.Name = defaultName(plan.Source)
	}
	plan.planFingerprint(ctx, state, &resp.Diagnostics)
	switch {
	case state == nil:
	case plan.published(config, *state):
		plan.keep(*state)
	default:
		plan.forget(config)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
}

// planFingerprint looks at the source, unless the configuration says itself what
// changes. A source that is not there yet may come to be in the same apply; one
// that is not there any more was published before.
func (m *artifactModel) planFingerprint(ctx context.Context, state *artifactModel, diags *diag.Diagnostics) {
	switch {
	case !m.SourceHash.IsNull():
		m.SourceFingerprint = types.StringNull()
		return
	case m.Source.IsUnknown():
		m.SourceFingerprint = types.StringUnknown()
		return
	}
	f, err := fingerprint(ctx, m.Source.ValueString())
	switch {
	case err == nil:
		m.SourceFingerprint = types.StringValue(f)
	case !errors.Is(err, fs.ErrNotExist):
		diags.AddAttributeError(path.Root("source"), m.Source.ValueString(), err.Error())
	case state != nil && m.Source.Equal(state.Source):
		m.SourceFingerprint = state.SourceFingerprint
		diags.AddAttributeWarning(path.Root("source"), m.Source.ValueString(),
			fmt.Sprintf("It does not exist here any more, so changes cannot be seen. What was published before, %s, stays.", state.Digest.ValueString()))
	default:
		m.SourceFingerprint = types.StringUnknown()
	}
}
