package provider

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

// What bounds a transfer is changed in place, and the nodes keep what they have.
func TestAccTraffic(t *testing.T) {
	f := start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	source, path := tree(t), filepath.Join(f.Root, "site")
	const d = "rackswarm_distribution.site"
	config := func(more string) string {
		return local(f.Agents()[0]) + artifact(source, "") + distribution("site", path, more)
	}
	inPlace := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(d, plancheck.ResourceActionUpdate)}}
	const windows = "windows = [\"daily 00:00-24:00 500Mbit\", \"otherwise 0\"]\ntime_zone = \"Europe/Amsterdam\"\n"
	apply(t, nil,
		resource.TestStep{
			Config: config("max_download = \"1Gbit\""),
			Check:  resource.ComposeTestCheckFunc(resource.TestCheckResourceAttr(d, "priority", "normal"), moves(t, f, "normal", 125e6, nil)),
		},
		resource.TestStep{
			Config: config("priority = \"urgent\"\n" + windows), ConfigPlanChecks: inPlace,
			Check: resource.ComposeTestCheckFunc(
				stands(f, path, "index.html", "first"), resource.TestCheckResourceAttr(d, "converged", "true"), resource.TestCheckResourceAttr(d, "windows.#", "2"),
				moves(t, f, "urgent", 0, []string{"daily 00:00-24:00 500Mbit", "otherwise 0"}),
			),
		},
		resource.TestStep{
			ResourceName: d, ImportState: true, ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "name",
			ImportStateId: "site", ImportStateVerifyIgnore: []string{"seconds", "cross_bytes", "seeding_ratio", "uplink_copies"},
		},
		resource.TestStep{Config: config(""), ConfigPlanChecks: inPlace, Check: moves(t, f, "normal", 0, nil)},
	)
}

// moves checks by which rules the distribution "site" moves its bytes, and that it is
// the first generation of it.
func moves(t *testing.T, f *fleet.Fleet, priority string, maxDownload int64, windows []string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		got := status(t, f, "site").Distribution
		want := api.Distribution{Priority: priority, Windows: windows, TimeZone: got.TimeZone}
		if maxDownload > 0 {
			want.MaxDownload = &maxDownload
		}
		if !got.SameTraffic(want) || got.Generation != 1 {
			return fmt.Errorf("the fleet has %+v", got)
		}
		return nil
	}
}

// What the fleet says stays as it is written if it means the same.
func TestTakeTraffic(t *testing.T) {
	rate := int64(1_250_000)
	m := distributionModel{Priority: types.StringNull(), MaxDownload: types.StringValue("10Mbit"), MaxUpload: types.StringValue("unlimited"),
		Windows: types.ListNull(types.StringType), TimeZone: types.StringNull()}
	if diags := m.takeTraffic(t.Context(), api.Distribution{MaxDownload: &rate}); diags.HasError() {
		t.Fatal(diags)
	}
	if m.Priority.ValueString() != "normal" || m.MaxDownload.ValueString() != "10Mbit" || m.MaxUpload.ValueString() != "unlimited" || !m.Windows.IsNull() {
		t.Errorf("it is written as %+v", m)
	}
	rate++
	if diags := m.takeTraffic(t.Context(), api.Distribution{Priority: "urgent", MaxDownload: &rate, Windows: []string{"otherwise 0"}, TimeZone: "UTC"}); diags.HasError() {
		t.Fatal(diags)
	}
	if m.Priority.ValueString() != "urgent" || m.MaxDownload.ValueString() != "1250001B/s" || len(m.Windows.Elements()) != 1 || m.TimeZone.ValueString() != "UTC" {
		t.Errorf("another one is written as %+v", m)
	}
	again, err := ceilingOf("max_download", m.MaxDownload)
	if err != nil || *again != rate {
		t.Errorf("it is read as %v, %v", again, err)
	}
}
