package provider

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// A node loses a file while its agent is down and nobody can give it back: the
// plan shows it, and an apply repairs it once somebody can. Then a file changes
// and is found by its hash.
func TestAccDrift(t *testing.T) {
	f := start(t, fleet.Options{Redis: true, Nodes: fleet.Racks("ams1/r1", 2)})
	giver, loser := f.Agents()[0], f.Agents()[1]
	source, path := tree(t), filepath.Join(f.Root, "site")
	config := func(more string) string {
		return local(loser) + artifact(source, "source_hash = \"v1\"") + distribution("site", path, more)
	}
	first := remote(f, giver) + artifact(source, "source_hash = \"v1\"") + distribution("site", path, "")
	const d = "rackswarm_distribution.site"
	lost := filepath.Join(loser.Path(path), "data", "3")
	apply(t, nil,
		resource.TestStep{Config: first, Check: stands(f, path, "index.html", "first")},
		resource.TestStep{
			PreConfig: func() {
				giver.Stop()
				loser.Stop()
				remove(t, lost)
				loser.Restart()
				fleet.Eventually(t, patience, "the loss is noticed", func() error {
					if st := status(t, f, "site"); len(st.Nodes) != 2 || !st.Nodes[1].Drifted {
						return fmt.Errorf("nodes are %+v", st.Nodes)
					}
					return nil
				})
			},
			Config: config(""), PlanOnly: true, ExpectNonEmptyPlan: true,
			ConfigPlanChecks: resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(d, plancheck.ResourceActionUpdate),
				plancheck.ExpectUnknownValue(d, tfjsonpath.New("converged")),
			}},
		},
		resource.TestStep{
			RefreshState: true, ExpectNonEmptyPlan: true,
			Check: resource.ComposeTestCheckFunc(
				resource.TestCheckResourceAttr(d, "converged", "false"), resource.TestCheckResourceAttr(d, "converged_count", "1"),
				resource.TestCheckResourceAttr(d, "drifted_nodes.0", loser.Name), resource.TestCheckResourceAttr(d, "unreachable_nodes.0", giver.Name),
			),
		},
		resource.TestStep{
			PreConfig: giver.Restart,
			Config:    config(""),
			Check: resource.ComposeTestCheckFunc(
				exists(lost), resource.TestCheckResourceAttr(d, "converged", "true"), resource.TestCheckResourceAttr(d, "drifted_nodes.#", "0"),
			),
		},
		resource.TestStep{
			PreConfig: func() { write(t, filepath.Join(loser.Path(path), "index.html"), "wrong") },
			Config:    config("triggers = { checked = \"today\" }"),
			Check:     stands(f, path, "index.html", "first"),
		},
		resource.TestStep{ // what was removed behind Terraform's back is created again
			PreConfig: func() { f.CLI("rm", "site") },
			Config:    config(""),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(d, plancheck.ResourceActionCreate),
			}},
			Check: stands(f, path, "index.html", "first"),
		},
		resource.TestStep{ // and what was changed is changed back
			PreConfig: func() {
				f.CLI("distribute", "site", "--artifact", status(t, f, "site").Distribution.Digest, "--path", path, "--location", "ams1", "--wait")
			},
			Config: config(""),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(d, plancheck.ResourceActionUpdate),
			}},
			Check: resource.TestCheckNoResourceAttr(d, "selector.locations.#"),
		},
	)
}
