package provider

import (
	"cmp"
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
)

type distributionModel struct {
	Name           types.String `tfsdk:"name"`
	ArtifactDigest types.String `tfsdk:"artifact_digest"`
	Path           types.String `tfsdk:"path"`
	Selector       types.Object `tfsdk:"selector"`
	Owner          types.String `tfsdk:"owner"`
	Group          types.String `tfsdk:"group"`
	Mode           types.String `tfsdk:"mode"`
	Overwrite      types.Bool   `tfsdk:"overwrite"`
	AllowEmpty     types.Bool   `tfsdk:"allow_empty"`
	Activate       types.String `tfsdk:"activate"`
	KeepPrevious   types.Bool   `tfsdk:"keep_previous"`
	Hooks          types.Object `tfsdk:"hooks"`

	Priority    types.String `tfsdk:"priority"`
	MaxDownload types.String `tfsdk:"max_download"`
	MaxUpload   types.String `tfsdk:"max_upload"`
	Windows     types.List   `tfsdk:"windows"`
	TimeZone    types.String `tfsdk:"time_zone"`

	Wait              types.Bool     `tfsdk:"wait"`
	MinSuccessPercent types.Int64    `tfsdk:"min_success_percent"`
	OnPartial         types.String   `tfsdk:"on_partial"`
	OnDestroy         types.String   `tfsdk:"on_destroy"`
	Triggers          types.Map      `tfsdk:"triggers"`
	Timeouts          timeouts.Value `tfsdk:"timeouts"`

	Converged        types.Bool  `tfsdk:"converged"`
	TargetCount      types.Int64 `tfsdk:"target_count"`
	ConvergedCount   types.Int64 `tfsdk:"converged_count"`
	FailedNodes      types.List  `tfsdk:"failed_nodes"`
	DriftedNodes     types.List  `tfsdk:"drifted_nodes"`
	UnreachableNodes types.List  `tfsdk:"unreachable_nodes"`

	CrossBytes   types.Int64   `tfsdk:"cross_bytes"`
	UplinkCopies types.Map     `tfsdk:"uplink_copies"`
	SeedingRatio types.Float64 `tfsdk:"seeding_ratio"`
	Seconds      types.Float64 `tfsdk:"seconds"`
}

// desired is what the attributes ask for.
func (m *distributionModel) desired(ctx context.Context) (api.Distribution, diag.Diagnostics) {
	s, diags := selectorOf(ctx, m.Selector)
	h, more := hooksOf(ctx, m.Hooks)
	diags.Append(more...)
	d := api.Distribution{
		Name: m.Name.ValueString(), Digest: m.ArtifactDigest.ValueString(), Path: m.Path.ValueString(), Selector: s,
		Owner: m.Owner.ValueString(), Group: m.Group.ValueString(), Mode: m.Mode.ValueString(),
		Overwrite: m.Overwrite.ValueBool(), AllowEmpty: m.AllowEmpty.ValueBool(),
		Activate: m.Activate.ValueString(), KeepPrevious: m.KeepPrevious.ValueBool(), Hooks: h,
	}
	diags.Append(m.addTraffic(ctx, &d)...)
	return d, diags
}

// takeDesired sets what the fleet wants. What means the same stays as it is
// written.
func (m *distributionModel) takeDesired(ctx context.Context, d api.Distribution) diag.Diagnostics {
	m.Name, m.ArtifactDigest, m.Path = types.StringValue(d.Name), types.StringValue(d.Digest), types.StringValue(d.Path)
	for _, f := range []struct {
		attribute *types.String
		value     string
	}{{&m.Owner, d.Owner}, {&m.Group, d.Group}, {&m.Mode, d.Mode}} {
		if f.attribute.ValueString() != f.value {
			*f.attribute = stringOrNull(f.value)
		}
	}
	m.Overwrite, m.AllowEmpty = types.BoolValue(d.Overwrite), types.BoolValue(d.AllowEmpty)
	m.Activate, m.KeepPrevious = types.StringValue(cmp.Or(d.Activate, api.ActivateEach)), types.BoolValue(d.KeepPrevious)
	s, diags := selectorOf(ctx, m.Selector)
	if !s.Equal(d.Selector) {
		var more diag.Diagnostics
		m.Selector, more = selectorValue(ctx, d.Selector)
		diags.Append(more...)
	}
	h, more := hooksOf(ctx, m.Hooks)
	diags.Append(more...)
	if !h.Equal(d.Hooks) {
		m.Hooks, more = hooksValue(ctx, d.Hooks)
		diags.Append(more...)
	}
	diags.Append(m.takeTraffic(ctx, d)...)
	return diags
}

// takeState sets how far the nodes are.
func (m *distributionModel) takeState(ctx context.Context, st api.Status) diag.Diagnostics {
	failed, drifted, down := []failedNode{}, []string{}, []string{}
	for _, n := range st.Nodes {
		if n.Phase == api.PhaseFailed {
			failed = append(failed, failedNode{n.Node, reason(n)})
		}
		if n.Drifted {
			drifted = append(drifted, n.Node)
		}
		if n.Unreachable {
			down = append(down, n.Node)
		}
	}
	m.Converged = types.BoolValue(enough(st, m.MinSuccessPercent.ValueInt64()))
	m.TargetCount, m.ConvergedCount = types.Int64Value(int64(st.Summary.Targets)), types.Int64Value(int64(st.Summary.Converged))
	var diags, more diag.Diagnostics
	m.FailedNodes, diags = types.ListValueFrom(ctx, types.ObjectType{AttrTypes: failedNodeTypes}, failed)
	m.DriftedNodes, more = types.ListValueFrom(ctx, types.StringType, drifted)
	diags.Append(more...)
	m.UnreachableNodes, more = types.ListValueFrom(ctx, types.StringType, down)
	diags.Append(more...)
	return diags
}

// failedNode is an element of failed_nodes.
type failedNode struct {
	Node  string `tfsdk:"node"`
	Error string `tfsdk:"error"`
}

// takeMeasures sets what the transfer has cost.
func (m *distributionModel) takeMeasures(ctx context.Context, s api.Summary) diag.Diagnostics {
	copies := s.UplinkCopies
	if copies == nil {
		copies = map[string]float64{}
	}
	m.CrossBytes, m.SeedingRatio, m.Seconds = types.Int64Value(s.CrossBytes), types.Float64Value(s.SeedingRatio), types.Float64Value(s.Seconds)
	var diags diag.Diagnostics
	m.UplinkCopies, diags = types.MapValueFrom(ctx, types.Float64Type, copies)
	return diags
}

// keepComputed takes over from the state what the nodes said.
func (m *distributionModel) keepComputed(state distributionModel) {
	m.Converged, m.TargetCount, m.ConvergedCount = state.Converged, state.TargetCount, state.ConvergedCount
	m.FailedNodes, m.DriftedNodes, m.UnreachableNodes = state.FailedNodes, state.DriftedNodes, state.UnreachableNodes
	m.CrossBytes, m.UplinkCopies, m.SeedingRatio, m.Seconds = state.CrossBytes, state.UplinkCopies, state.SeedingRatio, state.Seconds
}

// forgetComputed makes known only after apply what the nodes will say.
func (m *distributionModel) forgetComputed() {
	m.Converged, m.TargetCount, m.ConvergedCount = types.BoolUnknown(), types.Int64Unknown(), types.Int64Unknown()
	m.FailedNodes = types.ListUnknown(types.ObjectType{AttrTypes: failedNodeTypes})
	m.DriftedNodes, m.UnreachableNodes = types.ListUnknown(types.StringType), types.ListUnknown(types.StringType)
	m.CrossBytes, m.UplinkCopies = types.Int64Unknown(), types.MapUnknown(types.Float64Type)
	m.SeedingRatio, m.Seconds = types.Float64Unknown(), types.Float64Unknown()
}

// concernsNodes reports whether what m asks of the nodes differs from the state.
func (m *distributionModel) concernsNodes(state distributionModel) bool {
	return !(m.ArtifactDigest.Equal(state.ArtifactDigest) && m.Path.Equal(state.Path) && m.Selector.Equal(state.Selector) &&
		m.Owner.Equal(state.Owner) && m.Group.Equal(state.Group) && m.Mode.Equal(state.Mode) &&
		m.Overwrite.Equal(state.Overwrite) && m.AllowEmpty.Equal(state.AllowEmpty) &&
		m.Activate.Equal(state.Activate) && m.KeepPrevious.Equal(state.KeepPrevious) && m.Hooks.Equal(state.Hooks) &&
		m.MinSuccessPercent.Equal(state.MinSuccessPercent) && m.Triggers.Equal(state.Triggers))
}
