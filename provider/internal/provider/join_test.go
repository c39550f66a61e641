package provider

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// A node that joins gets the content, and a plan is empty once it has it. The
// provider is configured by what the same apply makes.
func TestAccNodeJoins(t *testing.T) {
	acceptance(t)
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	first, late := f.Agents()[0], f.Agents()[1]
	first.Start()
	f.WaitRegistered()
	source, path := tree(t), filepath.Join(f.Root, "site")
	config := fmt.Sprintf("resource \"terraform_data\" \"agent\" {\n  input = %q\n}\n", first.Endpoint()) +
		"provider \"rackswarm\" {\n  endpoints = [terraform_data.agent.output]\n}\n" +
		artifact(source, "") + distribution("site", path, "")
	const d = "rackswarm_distribution.site"
	apply(t, nil,
		resource.TestStep{Config: config, Check: resource.TestCheckResourceAttr(d, "target_count", "1")},
		resource.TestStep{
			PreConfig: func() {
				late.Restart()
				fleet.Eventually(t, patience, "the late node has the content", func() error {
					return fileIs(filepath.Join(late.Path(path), "index.html"), "first")
				})
				fleet.Eventually(t, patience, "and says so", func() error { return done(status(t, f, "site")) })
			},
			Config:           config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
			Check: resource.ComposeTestCheckFunc(
				resource.TestCheckResourceAttr(d, "target_count", "2"), resource.TestCheckResourceAttr(d, "converged_count", "2"),
			),
		},
	)
}
