package provider

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// One tree through its life, over TLS and with Redis: created, looked up,
// imported, tainted, changed, and destroyed in both ways. After every apply the
// test framework checks that a second plan is empty.
func TestAccLifecycle(t *testing.T) {
	f := start(t, fleet.Options{Redis: true, Nodes: slices.Concat(fleet.Racks("ams1/r1", 2), fleet.Racks("fra1/r1", 1))})
	source := tree(t)
	kept, removed, moved := filepath.Join(f.Root, "kept"), filepath.Join(f.Root, "removed"), filepath.Join(f.Root, "moved", "deep")
	config := func(removedPath string) string {
		return remote(f, f.Agents()...) + artifact(source, "name = \"site\"\npiece_size = 65536") + distribution("kept", kept, "") +
			distribution("removed", removedPath, "on_destroy = \"remove\"\nmode = \"0750\"\nselector = { locations = [\"fra1\"] }") +
			"data \"rackswarm_nodes\" \"ams\" {\n  selector = { locations = [\"ams1\"] }\n}\n"
	}
	const a, k, r = "rackswarm_artifact.a", "rackswarm_distribution.kept", "rackswarm_distribution.removed"
	apply(t, resource.ComposeTestCheckFunc(
		stands(f, kept, "index.html", "second"), stands(f, removed, "index.html", ""), stands(f, moved, "index.html", ""), noArtifacts(t, f),
	),
		resource.TestStep{
			Config: config(removed),
			Check: resource.ComposeTestCheckFunc(
				stands(f, kept, "index.html", "first"), stands(f, removed, "index.html", "first", "fra1-r1-1"), stands(f, removed, "index.html", "", "ams1-r1-1"),
				resource.TestMatchResourceAttr(a, "digest", regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)),
				resource.TestCheckResourceAttr(a, "kind", "tree"), resource.TestCheckResourceAttr(a, "files", fmt.Sprint(treeFiles+1)),
				resource.TestCheckResourceAttr(a, "seeds.#", "1"),
				resource.TestCheckResourceAttr(k, "converged", "true"), resource.TestCheckResourceAttr(k, "target_count", "3"),
				resource.TestCheckResourceAttr(k, "converged_count", "3"), resource.TestCheckResourceAttrSet(k, "uplink_copies.fra1"),
				resource.TestCheckResourceAttr(r, "target_count", "1"),
				resource.TestCheckResourceAttr("data.rackswarm_nodes.ams", "nodes.#", "2"),
				resource.TestCheckResourceAttr("data.rackswarm_nodes.ams", "nodes.0.name", "ams1-r1-1"),
				resource.TestCheckResourceAttr("data.rackswarm_nodes.ams", "nodes.1.alive", "true"),
			),
		},
		resource.TestStep{
			ResourceName: a, ImportState: true, ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "digest",
			ImportStateIdFunc: attribute(a, "digest"), ImportStateVerifyIgnore: []string{"source_fingerprint"},
		},
		resource.TestStep{
			ResourceName: k, ImportState: true, ImportStateVerify: true, ImportStateVerifyIdentifierAttribute: "name",
			ImportStateId: "kept", ImportStateVerifyIgnore: []string{"seconds", "cross_bytes", "seeding_ratio", "uplink_copies"},
		},
		resource.TestStep{ // what was tainted is replaced without moving a byte
			Taint: []string{k}, Config: config(removed),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(k, plancheck.ResourceActionDestroyBeforeCreate),
			}},
			Check: resource.ComposeTestCheckFunc(stands(f, kept, "index.html", "first"), fetched(t, f, "kept", 0, 0)),
		},
		resource.TestStep{ // a changed source moves what changed
			PreConfig: func() {
				write(t, filepath.Join(source, "index.html"), "second")
				write(t, filepath.Join(source, "data", "3"), random())
			},
			Config: config(removed),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(a, plancheck.ResourceActionUpdate),
				plancheck.ExpectResourceAction(k, plancheck.ResourceActionUpdate),
				plancheck.ExpectResourceAction(r, plancheck.ResourceActionUpdate),
			}},
			Check: resource.ComposeTestCheckFunc(stands(f, kept, "index.html", "second"), fetched(t, f, "kept", 0, 3*fileSize)),
		},
		resource.TestStep{ // another path is no other distribution
			Config: config(moved),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(r, plancheck.ResourceActionUpdate), plancheck.ExpectResourceAction(k, plancheck.ResourceActionNoop),
			}},
			Check: resource.ComposeTestCheckFunc(stands(f, removed, "index.html", ""), stands(f, moved, "index.html", "second", "fra1-r1-1"), fetched(t, f, "removed", 0, 3*fileSize)),
		},
	)
}

// attribute returns what finds an attribute to import by.
func attribute(resource, name string) func(*terraform.State) (string, error) {
	return func(s *terraform.State) (string, error) {
		r, ok := s.RootModule().Resources[resource]
		if !ok {
			return "", fmt.Errorf("%s is not in the state", resource)
		}
		return r.Primary.Attributes[name], nil
	}
}

// fetched checks how many bytes each node fetched from others.
func fetched(t *testing.T, f *fleet.Fleet, name string, least, most int64) resource.TestCheckFunc {
	return func(*terraform.State) error {
		for node, bytes := range received(t, f, name) {
			if bytes < least || bytes > most {
				return fmt.Errorf("%s fetched %d bytes of %s, not %d to %d", node, bytes, name, least, most)
			}
		}
		return nil
	}
}

// noArtifacts checks that all that was published is withdrawn.
func noArtifacts(t *testing.T, f *fleet.Fleet) resource.TestCheckFunc {
	return func(*terraform.State) error {
		all, err := f.Client().Artifacts(t.Context())
		if err == nil && len(all) > 0 {
			err = fmt.Errorf("still published: %+v", all)
		}
		return err
	}
}
