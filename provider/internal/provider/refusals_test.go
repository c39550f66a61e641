package provider

import (
	"fmt"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// What cannot be is refused with an error that names it and the fix.
func TestAccRefusals(t *testing.T) {
	f := start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 1)})
	source, path := tree(t), filepath.Join(f.Root, "site")
	agent := local(f.Agents()[0])
	good := agent + artifact(source, "") + distribution("site", path, "")
	nowhere := "endpoints = [\"unix:///nonexistent/agent.sock\"]"
	block := func(more string) string { return fmt.Sprintf("provider \"rackswarm\" {\n%s\n}\n", more) }
	resources := artifact(source, "") + distribution("site", path, "")
	refuse := func(config, pattern string) resource.TestStep {
		return resource.TestStep{Config: config, ExpectError: regexp.MustCompile(pattern)}
	}
	apply(t, nil,
		refuse(agent+artifact(source, "")+distribution("nobody", path, "selector = { locations = [\"mars\"] }"), `(?s)none\s+of\s+the.*To\s+fix\s+it.*ams1/r1`),
		resource.TestStep{
			Config: agent + artifact(source, "") + distribution("nobody", path, "allow_empty = true\nselector = { locations = [\"mars\"] }"),
			Check: resource.ComposeTestCheckFunc(
				resource.TestCheckResourceAttr("rackswarm_distribution.nobody", "target_count", "0"),
				resource.TestCheckResourceAttr("rackswarm_distribution.nobody", "converged", "true"),
			),
		},
		resource.TestStep{ // nobody waits, and nothing is planned to mend
			Config: agent + artifact(source, "") + distribution("site", path, "wait = false"),
		},
		resource.TestStep{Config: good, Check: resource.TestCheckResourceAttr("rackswarm_distribution.site", "converged", "true")},
		refuse(good+distribution("rival", path, ""), `(?s)Error:\s+path.*of\s+distribution\s+site.*choose\s+another\s+path`),
		refuse(good+labelled("again", "site", path+"2", ""), `(?s)Error:\s+name.*already.*terraform\s+import`),
		refuse(remoteAs(f, "reader", f.Agents()...)+artifact(source, "source_hash = \"v2\"")+distribution("site", path, ""), `(?s)operator`),
		refuse(good+distribution("rival", "relative", ""), `(?s)not\s+absolute`),
		refuse(good+labelled("rival", "bad name", path+"2", ""), `(?s)is\s+not\s+a\s+name`),
		refuse(good+distribution("rival", path+"2", "selector = { locations = [\"a//b\"] }"), `(?s)Error:\s+selector.locations`),
		refuse(good+distribution("rival", path+"2", "windows = [\"daily 08:00-18:00 1Mbit\", \"fry 08:00-18:00 1Mbit\"]"), `(?s)Error:\s+windows\[1\].*day\s+"fry".*To\s+fix\s+it`),
		refuse(good+distribution("rival", path+"2", "time_zone = \"Mars\""), `(?s)Error:\s+time_zone.*IANA`),
		refuse(good+distribution("rival", path+"2", "max_upload = \"10\""), `(?s)Error:\s+max_upload.*10\s+of\s+what`),
		refuse(good+distribution("rival", path+"2", "max_download = \"0B\""), `(?s)Error:\s+max_download.*never\s+means\s+unlimited`),
		refuse(good+distribution("rival", path+"2", "priority = \"high\""), `(?s)priority.*high`),
		refuse(agent+artifact("/nonexistent", "")+distribution("site", path, ""), `(?s)Error:\s+/nonexistent`),
		refuse(block(nowhere)+resources, `(?s)no\s+agent\s+answers`),
		refuse(block("endpoints = [\"ftp://x\"]")+resources, `(?s)not\s+an\s+endpoint`),
		refuse(block("endpoints = [\"https://127.0.0.1:1\"]\ntls = { ca_pem = \"x\" }")+resources, `(?s)belong\s+together`),
		resource.TestStep{ // what is not known to have changed stays
			Config:           block(nowhere+"\nunreachable = \"warn\"") + resources,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
		resource.TestStep{Config: good},
	)
}
