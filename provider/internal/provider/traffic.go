package provider

import (
	"cmp"
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rackswarm/rackswarm/core/api"
)

// ceilingOf reads a ceiling in bytes per second; nil is none.
func ceilingOf(attribute string, v types.String) (*int64, error) {
	if v.IsNull() || v.IsUnknown() {
		return nil, nil
	}
	return api.ParseCeiling(attribute, v.ValueString())
}

// addTraffic brings the rules by which bytes move into what is desired.
func (m *distributionModel) addTraffic(ctx context.Context, d *api.Distribution) (diags diag.Diagnostics) {
	d.Priority, d.TimeZone = m.Priority.ValueString(), m.TimeZone.ValueString()
	if !m.Windows.IsUnknown() {
		diags.Append(m.Windows.ElementsAs(ctx, &d.Windows, false)...)
	}
	var err error
	if d.MaxDownload, err = ceilingOf("max_download", m.MaxDownload); err != nil {
		addError(&diags, d.Name, err, field)
	}
	if d.MaxUpload, err = ceilingOf("max_upload", m.MaxUpload); err != nil {
		addError(&diags, d.Name, err, field)
	}
	return diags
}

// takeTraffic sets the rules that the fleet has. What means the same stays as it is
// written.
func (m *distributionModel) takeTraffic(ctx context.Context, d api.Distribution) diag.Diagnostics {
	var mine api.Distribution
	diags := m.addTraffic(ctx, &mine)
	if m.Priority.IsNull() || mine.Rank() != d.Rank() {
		m.Priority = types.StringValue(cmp.Or(d.Priority, api.PriorityNormal))
	}
	wantDown, wantUp := d.MaxRates()
	down, up := mine.MaxRates()
	if down != wantDown {
		m.MaxDownload = rateValue(d.MaxDownload)
	}
	if up != wantUp {
		m.MaxUpload = rateValue(d.MaxUpload)
	}
	if mine.TimeZone != d.TimeZone {
		m.TimeZone = stringOrNull(d.TimeZone)
	}
	mine.Priority, mine.MaxDownload, mine.MaxUpload, mine.TimeZone = d.Priority, d.MaxDownload, d.MaxUpload, d.TimeZone
	if !mine.SameTraffic(d) {
		windows, more := listOf(ctx, d.Windows)
		m.Windows = windows
		diags.Append(more...)
	}
	return diags
}

// rateValue writes a rate so that it is read as the same.
func rateValue(n *int64) types.String {
	if n == nil {
		return types.StringNull()
	}
	return types.StringValue(fmt.Sprintf("%dB/s", *n))
}

// sameTraffic reports whether bytes are to move by the same rules as in the state.
func (m *distributionModel) sameTraffic(state distributionModel) bool {
	return m.Priority.Equal(state.Priority) && m.MaxDownload.Equal(state.MaxDownload) && m.MaxUpload.Equal(state.MaxUpload) &&
		m.Windows.Equal(state.Windows) && m.TimeZone.Equal(state.TimeZone)
}
