package provider

import (
	"cmp"
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// ValidateConfig checks what is known without an agent, by the rules of the
// control interface.
func (r *distributionResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config distributionModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}
	stand := func(v *types.String, valid string) {
		if v.IsUnknown() {
			*v = types.StringValue(valid)
		}
	}
	stand(&config.Name, "x")
	stand(&config.ArtifactDigest, "sha256:"+strings.Repeat("0", 64))
	stand(&config.Path, "/x")
	if !fullyKnown(ctx, config.Selector) {
		config.Selector = types.ObjectNull(selectorTypes)
	}
	if !fullyKnown(ctx, config.Hooks) {
		config.Hooks = types.ObjectNull(hookTypes)
	}
	if v, err := config.Windows.ToTerraformValue(ctx); err != nil || !v.IsFullyKnown() || config.TimeZone.IsUnknown() {
		config.Windows = types.ListNull(types.StringType)
	}
	d, diags := config.desired(ctx)
	resp.Diagnostics.Append(diags...)
	if err := d.Validate(); err != nil {
		addError(&resp.Diagnostics, cmp.Or(d.Name, "distribution"), err, field)
	}
}

func fullyKnown(ctx context.Context, o types.Object) bool {
	v, err := o.ToTerraformValue(ctx)
	return err == nil && v.IsFullyKnown()
}

// ModifyPlan plans a repair in place of what a refresh found not to be as it
// should, and leaves alone what the nodes said if nothing is asked of them.
func (r *distributionResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || req.State.Raw.IsNull() {
		return
	}
	var plan, state distributionModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	repair := plan.Wait.ValueBool() && !state.Converged.ValueBool()
	if repair || plan.concernsNodes(state) || !plan.Name.Equal(state.Name) {
		plan.forgetComputed()
	} else {
		plan.keepComputed(state)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
}
