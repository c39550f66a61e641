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
		resource.TestStep{Config: config(""), Check: short, ExpectNonEmptyPlan: true, ConfigPlanChecks: inPlace},
		resource.TestStep{Config: config(""), ExpectError: regexp.MustCompile(`2 of 3 nodes hold the content`)},
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

// A node that joins gets the content, and a plan is empty once it has it.
func TestAccNodeJoins(t *testing.T) {
	acceptance(t)
	f := fleet.New(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	first, late := f.Agents()[0], f.Agents()[1]
	first.Start()
	f.WaitRegistered()
	source, path := tree(t), filepath.Join(f.Root, "site")
	config := local(first) + artifact(source, "") + distribution("site", path, "")
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
		resource.TestStep{Config: good},
		refuse(good+distribution("rival", path, ""), `(?s)Error:\s+path.*of\s+distribution\s+site.*choose\s+another\s+path`),
		refuse(good+labelled("again", "site", path+"2", ""), `(?s)Error:\s+name.*already.*terraform\s+import`),
		refuse(good+distribution("rival", "relative", ""), `(?s)not\s+absolute`),
		refuse(good+labelled("rival", "bad name", path+"2", ""), `(?s)is\s+not\s+a\s+name`),
		refuse(good+distribution("rival", path+"2", "selector = { locations = [\"a//b\"] }"), `(?s)Error:\s+selector.locations`),
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

// A source that the agent does not see is streamed to it; one that is not there
// any more is no reason to withdraw what was published; and one artifact
// withdraws what it took the place of.
func TestAccSources(t *testing.T) {
	f := start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	path := filepath.Join(f.Root, "site")
	const a = "rackswarm_artifact.a"
	// In the agent's process this is another directory.
	streamed := "/proc/self/cwd/testdata/site"
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "of this moment")
	config := func(source, more string) string {
		return local(f.Agents()[0]) + artifact(source, "name = \"site\"\n"+more) + distribution("site", path, "")
	}
	apply(t, noArtifacts(t, f),
		resource.TestStep{
			Config: config(streamed, ""),
			Check:  resource.ComposeTestCheckFunc(stands(f, path, "hello.txt", "hello\n"), resource.TestCheckResourceAttr(a, "kind", "tree")),
		},
		resource.TestStep{
			Config: config(file, ""),
			Check: resource.ComposeTestCheckFunc(stands(f, path, "", "of this moment"), resource.TestCheckResourceAttr(a, "kind", "file"),
				resource.TestMatchResourceAttr(a, "checksum", regexp.MustCompile(`^sha256:`))),
		},
		resource.TestStep{
			PreConfig:        func() { remove(t, file) },
			Config:           config(file, ""),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
		resource.TestStep{
			PreConfig: func() { write(t, file, "of another one") },
			Config:    config(file, "timeouts = { update = \"5m\" }"),
			Check:     stands(f, path, "", "of another one"),
		},
	)
}
