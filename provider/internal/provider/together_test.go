package provider

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// A version that one node's hook refuses stands nowhere: the apply fails in
// place, and the next one, when the hook lets it pass, has all nodes switch. The
// way back to the version before moves no bytes.
func TestAccTogether(t *testing.T) {
	acceptance(t)
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3)})
	shut := filepath.Join(t.TempDir(), "shut")
	for i, a := range f.Agents() {
		script := "exit 0"
		if i == 2 {
			script = "test ! -e " + shut + " || { echo the gate is shut >&2; exit 7; }"
		}
		a.Configure(map[string]any{"hooks": map[string]any{
			"gate": map[string]any{"command": []string{"/bin/sh", "-c", script}, "timeout": "10s"},
		}})
		a.Start()
	}
	f.WaitRegistered()
	source, path := tree(t), filepath.Join(f.Root, "site")
	config := func(more string) string {
		return local(f.Agents()[0]) + artifact(source, "name = \"site\"") +
			distribution("site", path, "activate = \"together\"\nkeep_previous = true\n"+more)
	}
	const d, hooks = "rackswarm_distribution.site", "hooks = { before = [\"gate\"] }\n"
	apply(t, nil,
		resource.TestStep{Config: config("hooks = { after = [\"no such name\"] }"), ExpectError: regexp.MustCompile(`hooks`)},
		resource.TestStep{
			Config: config(hooks),
			Check:  resource.ComposeTestCheckFunc(stands(f, path, "index.html", "first"), resource.TestCheckResourceAttr(d, "converged", "true")),
		},
		resource.TestStep{
			PreConfig: func() {
				write(t, shut, "")
				write(t, filepath.Join(source, "index.html"), "second")
			},
			Config: config(hooks), ExpectError: regexp.MustCompile(`(?s)0 of 3 nodes hold the content.*the gate is shut`),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(d, plancheck.ResourceActionUpdate),
			}},
		},
		resource.TestStep{ // whoever looks meanwhile finds the first version everywhere
			PreConfig: func() {
				if err := stands(f, path, "index.html", "first")(nil); err != nil {
					t.Error(err)
				}
				remove(t, shut)
			},
			Config: config(hooks),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(d, plancheck.ResourceActionUpdate),
			}},
			Check: resource.ComposeTestCheckFunc(stands(f, path, "index.html", "second"), resource.TestCheckResourceAttr(d, "converged", "true")),
		},
		resource.TestStep{
			ResourceName: d, ImportState: true, ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "name",
			ImportStateId: "site", ImportStateVerifyIgnore: []string{"seconds", "cross_bytes", "seeding_ratio", "uplink_copies"},
		},
		resource.TestStep{
			PreConfig: func() {
				if err := os.Rename(source, source+"-2"); err != nil {
					t.Fatal(err)
				}
				if err := os.CopyFS(source, os.DirFS(source+"-2")); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(source, "index.html"), "first")
			},
			Config: config(hooks),
			Check:  resource.ComposeTestCheckFunc(stands(f, path, "index.html", "first"), fetched(t, f, "site", 0, 0)),
		},
	)
}
