package provider

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// A node is down: the others get the content, nothing is tainted, and the next
// plan goes on in place, until the node is back.
func TestAccPartial(t *testing.T) {
	f := start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 3)})
	f.Agents()[2].Kill()
	down(t, f, "ams1-r1-3")
	source, path := tree(t), filepath.Join(f.Root, "site")
	config := func(more string) string {
		return local(f.Agents()[0]) + artifact(source, "") + distribution("site", path, more)
	}
	const d = "rackswarm_distribution.site"
	inPlace := resource.ConfigPlanChecks{PostApplyPostRefresh: []plancheck.PlanCheck{
		plancheck.ExpectResourceAction(d, plancheck.ResourceActionUpdate),
	}}
	short := resource.ComposeTestCheckFunc(
		stands(f, path, "index.html", "first", "ams1-r1-1", "ams1-r1-2"),
		resource.TestCheckResourceAttr(d, "converged", "false"), resource.TestCheckResourceAttr(d, "converged_count", "2"),
		resource.TestCheckResourceAttr(d, "unreachable_nodes.0", "ams1-r1-3"),
	)
	apply(t, nil,
		resource.TestStep{ // the create itself warns; what the user asks for makes it fail
			Config:      config("lifecycle {\n  postcondition {\n    condition = self.converged\n    error_message = \"Not all.\"\n  }\n}"),
			ExpectError: regexp.MustCompile(`Resource postcondition failed`),
		},
		resource.TestStep{
			Config: config(""), ExpectError: regexp.MustCompile(`2 of 3 nodes hold the content`),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(d, plancheck.ResourceActionUpdate),
			}},
		},
		resource.TestStep{Config: config("on_partial = \"warn\""), Check: short, ExpectNonEmptyPlan: true, ConfigPlanChecks: inPlace},
		resource.TestStep{
			Config: config("min_success_percent = 60"),
			Check:  resource.TestCheckResourceAttr(d, "converged", "true"),
		},
		resource.TestStep{
			PreConfig: f.Agents()[2].Restart,
			Config:    config(""),
			Check: resource.ComposeTestCheckFunc(
				stands(f, path, "index.html", "first"), resource.TestCheckResourceAttr(d, "converged", "true"),
				resource.TestCheckResourceAttr(d, "unreachable_nodes.#", "0"),
			),
		},
	)
}

// Where every node refuses, a create fails, and what it made is in the state;
// mended, it is replaced.
func TestAccRefusedEverywhere(t *testing.T) {
	f := start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 1)})
	source, path := tree(t), filepath.Join(f.Root, "site")
	write(t, filepath.Join(f.Agents()[0].Path(path), "mine"), "of somebody else")
	config := func(more string) string {
		return local(f.Agents()[0]) + artifact(source, "") + distribution("site", path, more)
	}
	apply(t, nil,
		resource.TestStep{Config: config(""), ExpectError: regexp.MustCompile(`0 of 1 nodes hold the content`)},
		resource.TestStep{Config: config("overwrite = true"), Check: stands(f, path, "index.html", "first")},
	)
}
