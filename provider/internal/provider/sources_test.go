package provider

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

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
