package provider

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/rackswarm/rackswarm/core/api"
)

// What the attributes of a selector say, in resources and data sources alike.
const (
	describeSelector  = "Chooses nodes: those that match every part that is given. Without it, or empty, it matches every node, and each that joins later."
	describeLocations = "Locations such as `ams1` or `ams1/rack-27`; nodes in one of them, at any depth, match."
	describeLabels    = "Labels; nodes that have all of them match."
	describeNodeNames = "Names; nodes that are called so match."
)

// selectorTypes are the attributes of a selector.
var selectorTypes = map[string]attr.Type{
	"locations":  types.SetType{ElemType: types.StringType},
	"labels":     types.MapType{ElemType: types.StringType},
	"node_names": types.SetType{ElemType: types.StringType},
}

type selectorModel struct {
	Locations types.Set `tfsdk:"locations"`
	Labels    types.Map `tfsdk:"labels"`
	NodeNames types.Set `tfsdk:"node_names"`
}

// selectorOf reads a selector; null is the empty one. Its lists are sorted, as
// the elements of sets come in any order.
func selectorOf(ctx context.Context, o types.Object) (api.Selector, diag.Diagnostics) {
	var s api.Selector
	if o.IsNull() || o.IsUnknown() {
		return s, nil
	}
	var m selectorModel
	diags := o.As(ctx, &m, basetypes.ObjectAsOptions{})
	diags.Append(m.Locations.ElementsAs(ctx, &s.Locations, false)...)
	diags.Append(m.Labels.ElementsAs(ctx, &s.Labels, false)...)
	diags.Append(m.NodeNames.ElementsAs(ctx, &s.NodeNames, false)...)
	slices.Sort(s.Locations)
	slices.Sort(s.NodeNames)
	return s, diags
}

// selectorValue is the opposite of selectorOf. Parts that are empty are null.
func selectorValue(ctx context.Context, s api.Selector) (types.Object, diag.Diagnostics) {
	if s.Equal(api.Selector{}) {
		return types.ObjectNull(selectorTypes), nil
	}
	locations, diags := setOf(ctx, s.Locations)
	names, more := setOf(ctx, s.NodeNames)
	diags.Append(more...)
	labels := types.MapNull(types.StringType)
	if len(s.Labels) > 0 {
		labels, more = types.MapValueFrom(ctx, types.StringType, s.Labels)
		diags.Append(more...)
	}
	o, more := types.ObjectValue(selectorTypes, map[string]attr.Value{"locations": locations, "labels": labels, "node_names": names})
	diags.Append(more...)
	return o, diags
}

func setOf(ctx context.Context, list []string) (types.Set, diag.Diagnostics) {
	if len(list) == 0 {
		return types.SetNull(types.StringType), nil
	}
	return types.SetValueFrom(ctx, types.StringType, list)
}
