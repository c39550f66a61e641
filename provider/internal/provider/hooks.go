package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/rackswarm/rackswarm/core/api"
)

// hookTypes are the attributes of hooks. Their order is that in which they are
// run.
var hookTypes = map[string]attr.Type{
	"before": types.ListType{ElemType: types.StringType},
	"after":  types.ListType{ElemType: types.StringType},
}

type hooksModel struct {
	Before types.List `tfsdk:"before"`
	After  types.List `tfsdk:"after"`
}

// hooksOf reads hooks; null is none.
func hooksOf(ctx context.Context, o types.Object) (api.Hooks, diag.Diagnostics) {
	var h api.Hooks
	if o.IsNull() || o.IsUnknown() {
		return h, nil
	}
	var m hooksModel
	diags := o.As(ctx, &m, basetypes.ObjectAsOptions{})
	diags.Append(m.Before.ElementsAs(ctx, &h.Before, false)...)
	diags.Append(m.After.ElementsAs(ctx, &h.After, false)...)
	return h, diags
}

// hooksValue is the opposite of hooksOf. Parts that are empty are null.
func hooksValue(ctx context.Context, h api.Hooks) (types.Object, diag.Diagnostics) {
	if h.Equal(api.Hooks{}) {
		return types.ObjectNull(hookTypes), nil
	}
	before, diags := listOf(ctx, h.Before)
	after, more := listOf(ctx, h.After)
	diags.Append(more...)
	o, more := types.ObjectValue(hookTypes, map[string]attr.Value{"before": before, "after": after})
	diags.Append(more...)
	return o, diags
}

func listOf(ctx context.Context, list []string) (types.List, diag.Diagnostics) {
	if len(list) == 0 {
		return types.ListNull(types.StringType), nil
	}
	return types.ListValueFrom(ctx, types.StringType, list)
}
